// A well-behaved client in its own process. It sends a hundred requests per second, at most four at a time. It sends the
// parent process the name of each successful operation, or the reason of a failure.
import { createHash } from "node:crypto"
import { Agent, request } from "node:http"

const [, , port, localAddress] = process.argv
const agent = new Agent({ keepAlive: true, maxSockets: 4 })
const repository = "/v2/team/app"
/** @param {Buffer} body */
const headersOf = (body) => ({
  "content-length": String(body.length),
  "content-type": "application/vnd.oci.image.index.v1+json"
})

/**
 * Returns the headers of the answer, whose status must be the expected one.
 * @param {string} method @param {string} path @param {number} status
 * @returns {Promise<import("node:http").IncomingHttpHeaders>}
 */
const ask = (method, path, status, body = Buffer.alloc(0)) =>
  new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, localAddress, agent, method, path, headers: headersOf(body) },
      (answer) => {
        answer.resume().on("end", () => {
          if (answer.statusCode === status) resolve(answer.headers)
          else reject(new Error(`${method} ${path} was answered with ${answer.statusCode}`))
        })
      }
    )
    asked.on("error", reject).end(body)
  })

let count = 0
const fresh = () => {
  const bytes = Buffer.from(`blob ${localAddress} ${count++}`)
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` }
}

/** @type {Record<string, () => Promise<unknown>>} */
const operations = {
  pull: () => ask("GET", `${repository}/manifests/v1`, 200),
  push: () => {
    const { bytes, digest } = fresh()
    return ask("POST", `${repository}/blobs/uploads/?digest=${digest}`, 201, bytes)
  },
  upload: async () => {
    const { bytes, digest } = fresh()
    const { location } = await ask("POST", `${repository}/blobs/uploads/`, 202)
    await ask("PUT", `${location}?digest=${digest}`, 201, bytes)
  },
  manifest: () =>
    ask(
      "PUT",
      `${repository}/manifests/mine`,
      201,
      Buffer.from(`{"schemaVersion":2,"manifests":[],"annotations":{"n":"${count++}"}}`)
    )
}

const names = Object.keys(operations)
let turn = 0
let running = 0
setInterval(() => {
  if (running >= 4) return
  const name = names[turn++ % names.length] ?? ""
  running += 1
  operations[name]?.()
    .then(() => process.send?.({ name }), (error) => process.send?.({ name, failure: String(error) }))
    .finally(() => {
      running -= 1
    })
}, 10)
process.on("disconnect", () => process.exit())
