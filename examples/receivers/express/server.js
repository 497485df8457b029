// A receiver with Express: npm install && node server.js [PORT] [FOLDER]
//
// Takes PUT or POST at /recordings/call_recording_CALL_ID.EXT, checks the digest, and keeps the file only
// when all of it has come. With RECORDINGS_SECRET=whsec_... in the environment it takes only what is signed
// with it (delivery.hosts: signing). Use "url": "http://your.server.com:8080/recordings" in the callflow.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { Transform } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const express = require('express');

const port = Number(process.argv[2] || 8080);
const folder = process.argv[3] || 'recordings';
const goodName = /^call_recording_[A-Za-z0-9._@+-]+$/;
// whsec_...; two while one replaces the other
const secrets = (process.env.RECORDINGS_SECRET || '').split(/\s+/).filter(Boolean);

// Standard Webhooks: d1 signs the Content-Digest header, so this is known before the body comes.
function signed(request) {
  const when = request.get('webhook-timestamp') || '';
  if (!/^[0-9]+$/.test(when) || Math.abs(Date.now() / 1000 - Number(when)) > 300) return false;
  const text = `${request.get('webhook-id')}.${when}.${request.get('Content-Digest')}`;
  const given = (request.get('webhook-signature') || '').split(' ').map((one) => Buffer.from(one));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const good = Buffer.from(`d1,${crypto.createHmac('sha256', key).update(text).digest('base64')}`);
    return given.some((one) => one.length === good.length && crypto.timingSafeEqual(one, good));
  });
}

async function receive(request, response) {
  const name = request.params.name;
  if (!goodName.test(name)) {
    response.status(400).send('not a name of a recording\n');
    return;
  }
  if (secrets.length && !signed(request)) {
    response.status(401).send('not signed with our secret\n');
    return;
  }
  const part = path.join(folder, `.${name}.part`);
  const hash = crypto.createHash('sha256');
  const digesting = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(request, digesting, fs.createWriteStream(part));
  const expected = request.get('Content-Digest');
  if (expected && expected !== `sha-256=:${hash.digest('base64')}:`) {
    fs.unlinkSync(part);
    response.status(400).send('the digest does not fit\n');
    return;
  }
  fs.renameSync(part, path.join(folder, name)); // the same recording may come again: that is the same file
  response.status(201).send('thank you\n');
}

fs.mkdirSync(folder, { recursive: true });
const app = express();
app.put('/recordings/:name', receive);
app.post('/recordings/:name', receive);
app.listen(port, '127.0.0.1', () => console.log(`listening on ${port}`));
