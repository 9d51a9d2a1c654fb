import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import type { Socket } from "node:net"

/** A server sent a wrong answer. */
export class LoadFailed extends Data.TaggedError("LoadFailed")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** A request, and the content that every answer must have. */
export interface Target {
  /** `host:port` */
  readonly authority: string
  readonly path: string
  readonly accept: string
  readonly body: Uint8Array
}

/**
 * Sends the same request again and again over several keep-alive connections, one request at a time on each. Returns
 * the answers per second. Uses plain sockets, so that the client costs less than the server. Verifies the status and
 * the content of every answer.
 */
export const load = (
  target: Target,
  options: { readonly connections: number; readonly seconds: number }
): Effect.Effect<{ readonly requests: number; readonly seconds: number }, LoadFailed> =>
  Effect.async((resume) => {
    const [host = "", port = ""] = target.authority.split(":")
    const request = Buffer.from(
      `GET ${target.path} HTTP/1.1\r\nHost: ${target.authority}\r\nAccept: ${target.accept}\r\n\r\n`
    )
    const start = performance.now()
    const end = start + options.seconds * 1000
    const open = new Set<Socket>()
    let requests = 0
    const stop = () => {
      for (const socket of open) socket.destroy()
    }
    const fail = (reason: string) => {
      stop()
      resume(Effect.fail(new LoadFailed({ reason: `${target.authority}${target.path}: ${reason}` })))
    }
    for (let connection = 0; connection < options.connections; connection++) {
      const socket = connect({ host, port: Number(port), noDelay: true })
      open.add(socket)
      let received: Buffer | undefined
      socket.on("connect", () => socket.write(request))
      socket.on("error", (error) => fail(error.message))
      socket.on("close", () => {
        if (open.has(socket)) fail("the connection was closed")
      })
      socket.on("data", (piece) => {
        received = received === undefined ? piece : Buffer.concat([received, piece])
        const body = received.indexOf("\r\n\r\n") + 4
        if (body < 4 || received.byteLength < body + target.body.byteLength) return
        if (received.toString("latin1", 0, 13) !== "HTTP/1.1 200 ") return fail(received.toString("latin1", 0, 200))
        if (received.compare(target.body, 0, target.body.byteLength, body) !== 0) return fail("the content is another")
        received = undefined
        requests++
        const now = performance.now()
        if (now < end) return void socket.write(request)
        open.delete(socket)
        socket.destroy()
        if (open.size === 0) resume(Effect.succeed({ requests, seconds: (now - start) / 1000 }))
      })
    }
    return Effect.sync(stop)
  })
