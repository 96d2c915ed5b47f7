// A tus receiver on 127.0.0.1: node server.mjs FOLDER PORT EXPIRES_MS [CERTIFICATE KEY]
// Port 0 takes a free one. Says "ready PORT" once it listens. See tests/peers/tus_server.py.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const [folder, port, expires, certificate, key] = process.argv.slice(2)

const receiver = new Server({
  path: '/files',
  relativeLocation: Boolean(certificate), // it does not know that it stands behind TLS
  datastore: new FileStore({
    directory: folder,
    expirationPeriodInMilliseconds: Number(expires),
  }),
})

const handle = receiver.handle.bind(receiver)
const listener = certificate
  ? https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, handle)
  : http.createServer(handle)

listener.listen(Number(port), '127.0.0.1', () => {
  console.log(`ready ${listener.address().port}`)
})
