// An agency's receiver: @tus/server 2.x, and `clip-agent requester intake` as its hook.
//
//   npm install @tus/server@2 @tus/file-store@2
//   node receiver.mjs --uploads DIR --cases DIR --listen HOST:PORT -- clip-agent requester intake ...
//
// Put a web server with a certificate in front of it. What stands after `--` is the command that
// takes a bundle in; its passphrase comes from --passphrase-file or CLIP_AGENT_PASSPHRASE. Both
// folders must be on one file system. Uploads and receipts are deleted after 15 days, which is
// longer than cameras ask for receipts; the cases stay.
//
// Each finished upload is linked into a folder of its own under the name of its release, and taken
// in from there, one at a time. Its receipt is served at <upload url>.receipt. An upload without
// a receipt is taken in again at the start and every minute, so a crash or a full disk loses none.

import { spawn } from 'node:child_process'
import { link, mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const KEPT_MS = 15 * 86_400_000
const MAX_BYTES = 2_000_000_000 // of an upload: anybody may send one
const AGAIN_MS = 60_000

const split = process.argv.indexOf('--')
const { values } = parseArgs({
  args: process.argv.slice(2, split < 0 ? undefined : split),
  options: {
    uploads: { type: 'string' },
    cases: { type: 'string' },
    listen: { type: 'string', default: '127.0.0.1:1080' },
  },
})
const intake = split < 0 ? [] : process.argv.slice(split + 1)
if (!values.uploads || !values.cases || intake.length === 0) {
  console.error('usage: receiver.mjs --uploads DIR --cases DIR [--listen HOST:PORT] -- COMMAND ...')
  process.exit(2)
}
const receipts = join(values.uploads, '.receipts')
const work = join(values.uploads, '.intake')
const receiptOf = (id) => join(receipts, `${id}.receipt`)
const exists = (path) => stat(path).then(() => true, () => false)

// Take in one upload, unless that was done.
async function takeIn(id) {
  const path = join(values.uploads, id)
  const info = JSON.parse(await readFile(`${path}.json`, 'utf8'))
  if ((await stat(path)).size !== info.size || (await exists(receiptOf(id)))) return
  const named = info.metadata?.release ?? ''
  const release = /^[0-9a-f]{16}$/.test(named) ? named : id
  const folder = await mkdtemp(join(work, 'one-'))
  try {
    const bundle = join(folder, `${release}.age`)
    await link(path, bundle)
    await run([...intake, bundle, '--dir', values.cases, '--receipt', receiptOf(id)])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function run([command, ...parameters]) {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) => resolve(console.error(`${command}: ${error.message}`)))
    child.on('close', resolve)
  })
}

let queue = Promise.resolve()
function later(id) {
  queue = queue.then(() => takeIn(id)).catch((error) => console.error(`${id}: ${error.message}`))
}

async function sweep() {
  const names = await readdir(values.uploads)
  for (const name of names.filter((one) => one.endsWith('.json'))) later(name.slice(0, -5))
  for (const name of await readdir(receipts)) {
    const path = join(receipts, name)
    if (Date.now() - (await stat(path)).mtimeMs > KEPT_MS) await rm(path, { force: true })
  }
}

for (const folder of [values.uploads, receipts, work, values.cases]) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
}
for (const name of await readdir(work)) await rm(join(work, name), { recursive: true, force: true })

const tus = new Server({
  path: '/files',
  relativeLocation: true,
  maxSize: MAX_BYTES,
  disableTerminationForFinishedUploads: true, // what was received stays
  datastore: new FileStore({ directory: values.uploads, expirationPeriodInMilliseconds: KEPT_MS }),
  onUploadFinish: async (_request, upload) => {
    later(upload.id)
    return {}
  },
})

const listener = http.createServer(async (request, response) => {
  const asked = /^\/files\/([0-9a-zA-Z_-]+)\.receipt(\?|$)/.exec(request.url ?? '')
  if (asked === null || request.method !== 'GET') return tus.handle(request, response)
  const receipt = await readFile(receiptOf(asked[1]), 'utf8').catch(() => '')
  response.writeHead(receipt ? 200 : 404, {
    'Content-Type': 'text/plain',
    'Cache-Control': 'no-store',
  })
  response.end(receipt || 'there is no receipt yet')
})

const [, host, port] = /^(.*):([0-9]+)$/.exec(values.listen) ?? [null, '127.0.0.1', '1080']
listener.listen(Number(port), host.replace(/^\[|\]$/g, ''), () => {
  console.log(`ready ${listener.address().port}`)
})
await sweep()
setInterval(() => sweep().catch((error) => console.error(error.message)), AGAIN_MS)
setInterval(() => tus.cleanUpExpiredUploads().catch(() => {}), 3_600_000)
