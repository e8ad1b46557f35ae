// node gcs_emulator.js FOLDER PORT CERTIFICATE: the storage emulator of firebase-tools, installed below FOLDER, on https://localhost:PORT.
// Only its web application is used: the emulator as a whole would start a JVM for access rules that this API does not ask about.
// CERTIFICATE is one file of PEM text with key and certificate. Says "listening" when it does.
'use strict';
const https = require('https');
const fs = require('fs');
const [folder, port, certificate] = process.argv.slice(2);
const emulator = `${folder}/node_modules/firebase-tools/lib/emulator`;
const { EmulatorRegistry } = require(`${emulator}/registry.js`);
const { StorageEmulator } = require(`${emulator}/storage/index.js`);
const { createApp } = require(`${emulator}/storage/server.js`);

// Nothing else is registered: addresses in answers are this server's.
EmulatorRegistry.isRunning = () => false;
EmulatorRegistry.url = () => new URL(`https://localhost:${port}`);

const storage = new StorageEmulator({ projectId: 'tests', host: 'localhost', port: Number(port), rules: { name: 'none', content: '' } });
const pem = fs.readFileSync(certificate);
createApp('tests', storage).then((app) =>
  https.createServer({ key: pem, cert: pem }, app).listen(Number(port), '127.0.0.1', () => console.log('listening')));
