// An attacking client in its own process. Its first argument names the attack. It ignores errors of its connections, because
// they are expected.
import { connect } from "node:net"
import { setPriority } from "node:os"

const [, , name = "", port, subject] = process.argv
const repository = "/v2/team/app"
const index = "application/vnd.oci.image.index.v1+json"
const MiB = 1024 * 1024

/**
 * Opens a connection, and reads from it only what `onData` wants.
 * @param {(socket: import("node:net").Socket, text: string) => void} [onData]
 */
const open = (onData) => {
  const socket = connect({ host: "127.0.0.1", port: Number(port), localAddress: "127.0.0.1" })
  socket.on("error", () => {})
  if (onData === undefined) socket.pause()
  else socket.on("data", (data) => onData(socket, data.toString("latin1")))
  return socket
}

/** @param {number} count @param {(n: number) => unknown} f */
const times = (count, f) => Array.from({ length: count }, (_, n) => f(n))

/** @param {string} method @param {string} path */
const head = (method, path, length = 0) =>
  `${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${index}\r\nContent-Length: ${length}\r\n\r\n`

/** A manifest that differs from others by `n`. @param {number} n */
const manifest = (n) => {
  /** @param {string} filler */
  const text = (filler) => `{"schemaVersion":2,"mediaType":"${index}","manifests":[],"annotations":{"a":"${filler}"}}`
  return text(`${n}`.padEnd(4 * MiB - text("").length, "x"))
}

const start = head("POST", `${repository}/blobs/uploads/`)

/** @type {Record<string, () => unknown>} */
const attacks = {
  /** Requests large lists on many connections without reading an answer. */
  unreadLists: () => times(40, () => open().write(head("GET", `${repository}/referrers/${subject}`).repeat(60))),

  /** Opens upload sessions as fast as it can on a few connections. */
  emptyUploads: () => times(4, () => open((socket) => socket.write(start)).write(start)),

  /** Opens upload sessions, and sends one byte to each. */
  begunUploads: () =>
    times(4, () =>
      open((socket, text) => {
        const [, location] = /location: (\S+)/i.exec(text) ?? []
        const isNew = location !== undefined && !text.includes("upload-offset: 1")
        socket.write(isNew ? `${head("PATCH", location, 1)}x` : start)
      }).write(start)),

  /** Sends manifests without their last byte. */
  unfinishedManifests: () =>
    times(60, (n) =>
      setTimeout(() => {
        const text = manifest(n)
        open().write(head("PUT", `${repository}/manifests/evil-${n}`, text.length) + text.slice(0, -1))
      }, n * 10)),

  /** Sends one large manifest after the other. */
  manyManifests: () => {
    let n = 0
    /** @param {import("node:net").Socket} socket */
    const next = (socket) => {
      const text = manifest(n++)
      socket.write(head("PUT", `${repository}/manifests/evil-${n % 200}`, text.length) + text)
    }
    times(2, () => {
      const socket = open(next)
      next(socket)
    })
  },

  /** Opens as many connections as it can, and sends half a head on each. */
  halfHeads: () => times(3000, () => open().write("GET /v2/ HTTP/1.1\r\nHost:")),

  /** Sends blobs one byte at a time. */
  slowBodies: () =>
    times(400, () => {
      const socket = open()
      socket.write(head("POST", `${repository}/blobs/uploads/?digest=${subject}`, 1000 * MiB))
      const timer = setInterval(() => socket.write("x"), 100)
      socket.on("close", () => clearInterval(timer))
    }),

  /** Requests blobs without reading them. */
  unreadBlobs: () => times(80, () => open().write(head("GET", `${repository}/blobs/${subject}`)))
}

// A real attacker uses another machine. This one must not take processor time from the server and the other client.
setPriority(10)
attacks[name]?.()
process.on("disconnect", () => process.exit())
