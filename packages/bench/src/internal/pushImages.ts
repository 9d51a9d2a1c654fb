import { Descriptor, MediaType } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { Agent, request } from "node:http"
import { setTimeout } from "node:timers/promises"

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

interface Exchange {
  readonly agent: Agent
  readonly method: string
  readonly url: string
  readonly status: number
  readonly body?: Uint8Array
  readonly type?: string
}

/** Sends a request. Returns the header `Location` of the answer. */
const exchange = ({ agent, body = new Uint8Array(), method, status, type = Descriptor.octetStream, url }: Exchange) =>
  new Promise<string>((resolve, reject) => {
    const headers = { "content-type": type, "content-length": body.byteLength }
    const sent = request(url, { agent, method, headers }, (response) => {
      response.resume()
      response.on("end", () => {
        if (response.statusCode === status) resolve(new URL(response.headers.location ?? "", url).href)
        else reject(new Error(`${method} ${url}: status ${response.statusCode}`))
      })
    })
    sent.on("error", reject)
    sent.end(body)
  })

/** Pushes a blob with a POST and a PUT. */
const pushBlob = async (
  agent: Agent,
  repository: string,
  bytes: Uint8Array,
  mediaType: Descriptor.Descriptor["mediaType"]
) => {
  const descriptor = Descriptor.fromBytes(bytes, mediaType)
  const opened = await exchange({ agent, method: "POST", url: `${repository}/blobs/uploads/`, status: 202 })
  const url = new URL(opened)
  url.searchParams.append("digest", descriptor.digest)
  await exchange({ agent, method: "PUT", url: url.href, status: 201, body: bytes })
  return descriptor
}

let last = 0

/** Pushes an image that no registry has: a layer of 1 KiB, a configuration, a manifest and a tag, one after the other. */
const pushImage = async (agent: Agent, repository: string) => {
  const number = ++last
  const layer = await pushBlob(agent, repository, randomBytes(1024), MediaType.layerGzip)
  const config = await pushBlob(agent, repository, json({ number, at: Date.now() }), MediaType.imageConfig)
  const body = json({ schemaVersion: 2, mediaType: MediaType.image, config, layers: [layer] })
  const url = `${repository}/manifests/v${number}`
  await exchange({ agent, method: "PUT", url, status: 201, body, type: MediaType.image })
}

/**
 * Pushes small images by several clients at once, each into a repository of its own and to one of the servers. Returns the
 * images per second.
 */
export const pushImages = (
  authorities: readonly [string, ...Array<string>],
  options: {
    readonly clients: number
    readonly seconds: number
    /** How many images all clients together begin in a second. Default: each client begins the next one at once. */
    readonly rate?: number
  }
): Effect.Effect<number, unknown> =>
  Effect.tryPromise(async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: options.clients })
    const start = performance.now()
    const end = start + options.seconds * 1000
    const interval = options.rate === undefined ? 0 : 1000 / options.rate
    let begun = 0
    let images = 0
    const client = async (index: number) => {
      for (; performance.now() < end; images++) {
        const wait = start + begun++ * interval - performance.now()
        if (wait > 0) await setTimeout(wait)
        const authority = authorities[index % authorities.length] ?? authorities[0]
        await pushImage(agent, `http://${authority}/v2/load/client-${index}`)
      }
    }
    await Promise.all(Array.from({ length: options.clients }, (_, index) => client(index)))
    agent.destroy()
    return images / (performance.now() - start) * 1000
  })
