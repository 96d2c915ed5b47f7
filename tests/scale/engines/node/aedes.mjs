// One of several MQTT brokers that share a Redis: node aedes.mjs REDIS_PORT
// Says "ready PORT" once it listens on 127.0.0.1. See tests/scale/engines/aedes.py.
import net from 'node:net'
import { Aedes } from 'aedes'
import persistence from 'aedes-persistence-redis'
import emitter from 'mqemitter-redis'

const redis = { host: '127.0.0.1', port: Number(process.argv[2]) }
const broker = await Aedes.createBroker({
  mq: emitter(redis),
  persistence: persistence(redis),
})
const listener = net.createServer(broker.handle)
listener.listen(0, '127.0.0.1', () => console.log(`ready ${listener.address().port}`))
