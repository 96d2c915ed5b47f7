// A tus receiver whose uploads are objects: node tus_s3.mjs PORT S3_PORT BUCKET KEY SECRET
// Port 0 takes a free one. Says "ready PORT" once it listens on 127.0.0.1.
// See tests/scale/engines/object_store.py.
import http from 'node:http'
import { S3Store } from '@tus/s3-store'
import { Server } from '@tus/server'

const [port, storePort, bucket, accessKeyId, secretAccessKey] = process.argv.slice(2)
const receiver = new Server({
  path: '/files',
  datastore: new S3Store({
    partSize: 5 * 1024 * 1024,
    s3ClientConfig: {
      bucket,
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${storePort}`,
      forcePathStyle: true,
      // Checksums in trailers are newer than most S3 servers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      credentials: { accessKeyId, secretAccessKey },
    },
  }),
})
const listener = http.createServer(receiver.handle.bind(receiver))
listener.listen(Number(port), '127.0.0.1', () => {
  console.log(`ready ${listener.address().port}`)
})
