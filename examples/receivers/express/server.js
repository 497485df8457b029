// A receiver with Express: npm install && node server.js [PORT] [FOLDER]
//
// Takes PUT or POST at /recordings/call_recording_CALL_ID.EXT, checks the digest, and keeps the file only
// when all of it has come. Use "url": "http://your.server.com:8080/recordings" in the callflow.
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

async function receive(request, response) {
  const name = request.params.name;
  if (!goodName.test(name)) {
    response.status(400).send('not a name of a recording\n');
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
