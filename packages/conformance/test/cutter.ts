/** A TCP relay between a client and a server that breaks the connection at a byte. */
import { Effect } from "effect"
import { connect, createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"

/** A relay on a port of its own. */
export interface Cutter {
  readonly port: number
  /** Breaks the connection before the k-th byte from now, counted over both directions. */
  readonly arm: (k: number) => void
  readonly disarm: () => void
  /** Returns whether the relay has broken a connection since it was armed. */
  readonly hasCut: () => boolean
}

/** Starts a relay to a port on this machine. It stops when the scope closes. */
export const make = (target: number) =>
  Effect.acquireRelease(
    Effect.async<{ readonly cutter: Cutter; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let left = Infinity
      let cut = false
      const relay = (from: Socket, to: Socket) => {
        sockets.add(from)
        from.on("data", (bytes: Buffer) => {
          if (bytes.byteLength <= left) {
            left -= bytes.byteLength
            return to.write(bytes)
          }
          to.write(bytes.subarray(0, left), () => {
            from.resetAndDestroy()
            to.resetAndDestroy()
          })
          left = Infinity
          cut = true
          from.removeAllListeners("data")
        })
        from.on("end", () => to.end())
        from.on("error", () => to.destroy())
        from.on("close", () => {
          sockets.delete(from)
          to.destroy()
        })
      }
      const server = createServer((client) => {
        const upstream = connect(target, "127.0.0.1")
        relay(client, upstream)
        relay(upstream, client)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const cutter: Cutter = {
          port,
          arm: (k) => {
            left = k - 1
            cut = false
          },
          disarm: () => {
            left = Infinity
          },
          hasCut: () => cut
        }
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ cutter, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ cutter }) => cutter))
