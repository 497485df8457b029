// Vonage's Node SDK against this server; says what it saw as one line of JSON. It fetches files from hosts below
// vonage.com and nexmo.com only, so the server has such a name here, and a certificate for it.
//   node node_sdk.js MODULES PORT APPLICATION KEY_FILE PHONE_URI NUMBER FILE
const [modules, port, applicationId, privateKey, uri, number, file] = process.argv.slice(2);
const { Auth } = require(`${modules}/@vonage/auth`);
const { Vonage } = require(`${modules}/@vonage/server-sdk`);
const { FileClient } = require(`${modules}/@vonage/server-client`);
const dns = require('node:dns');
const { readFileSync } = require('node:fs');

const apiHost = `https://api.nexmo.com:${port}`;
dns.lookup = (name, options, done) => {
  const found = [{ address: '127.0.0.1', family: 4 }];
  if (options.all) done(null, found);
  else done(null, '127.0.0.1', 4);
};

const auth = new Auth({ applicationId, privateKey: readFileSync(privateKey, 'utf8') });
const { voice } = new Vonage(auth, { apiHost });

async function until(met) {
  for (let left = 300; left > 0; left -= 1) {
    const found = await met();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error('it has not come in time');
}

async function main() {
  const seen = {};
  const ncco = [{ action: 'wait', timeout: 60 }];
  const made = await voice.createOutboundCall({
    to: [{ type: 'sip', uri }], from: { type: 'phone', number }, ncco, ringingTimer: 20,
  });
  const uuid = made.uuid;
  seen.made = made;
  seen.answered = await until(async () => {
    const call = await voice.getCall(uuid);
    return call.status === 'answered' && call;
  });
  await voice.transferCallWithNCCO(uuid, [{ action: 'record', format: 'wav' }, ...ncco]);
  seen.talk = await voice.playTTS(uuid, { text: 'Hello' });
  await voice.stopTTS(uuid);
  seen.stream = await voice.streamAudio(uuid, 'http://127.0.0.1:9/nothing.mp3');
  await voice.stopStreamAudio(uuid);
  seen.dtmf = await voice.playDTMF(uuid, '7');
  await voice.muteCall(uuid);
  await voice.unmuteCall(uuid);
  await voice.earmuffCall(uuid);
  await voice.unearmuffCall(uuid);
  await voice.subscribeDTMF(uuid, 'http://127.0.0.1:9/digits');
  await voice.unsubscribeDTMF(uuid);
  await voice.hangupCall(uuid);
  seen.completed = await until(async () => {
    const call = await voice.getCall(uuid);
    return call.status === 'completed' && call;
  });
  seen.listed = [];
  for await (const call of voice.getAllCalls({ pageSize: 1 })) seen.listed.push(call.uuid);
  seen.unknown = await voice.getCall('unknown').catch((error) => error.response.status);
  const files = new FileClient(auth, { apiHost });
  await files.downloadFile(`${apiHost}/v1/files/fetched`, file);
  await files.downloadFile('fetched', `${file}.by-id`);
  console.log(JSON.stringify(seen));
}

main().catch((error) => { console.error(error); process.exit(1); });
