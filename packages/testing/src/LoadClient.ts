/** A client that speaks HTTP by itself, so that it shares no code with the registry. */
import { createHash, randomBytes } from "node:crypto"

/** The server answered with a status that the client does not expect. */
export class Unexpected extends Error {}

/** The server answered that it cannot serve now. */
export class Unavailable extends Unexpected {}

/** The connection to the server ended. */
export class Disconnected extends Error {}

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const image = "application/vnd.oci.image.manifest.v1+json"

const random = (below: number): number => Math.floor(Math.random() * below)

/** Layers that all images share, of 1 to 64 KiB. */
const sharedLayers = Array.from({ length: 12 }, (_, n) => Buffer.from(`layer ${n} `.repeat(128 << (n % 6))))

export interface Image {
  readonly manifest: Uint8Array
  readonly digest: string
  readonly blobs: ReadonlyArray<Uint8Array>
}

/** Creates an image that no one has pushed before. Most of its layers are shared. */
export const newImage = (): Image => {
  const config = json({ architecture: "amd64", os: "linux", created: randomBytes(16).toString("hex") })
  const layers = Array.from({ length: 1 + random(3) }, () => sharedLayers[random(sharedLayers.length)]!)
  if (random(3) === 0) layers.push(randomBytes(1 + random(300_000)))
  const descriptor = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: image,
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar", layer))
  })
  return { manifest, digest: digestOf(manifest), blobs: [...layers, config] }
}

export interface ClientOptions {
  /** Whether each request has a connection of its own. Default: `false`. */
  readonly newConnections?: boolean | undefined
  /** Whether a proxy may repeat a request whose server died: a delete then finds nothing. Default: `false`. */
  readonly repeated?: boolean | undefined
}

export class Client {
  constructor(
    private readonly url: string,
    private readonly repository: string,
    private readonly options: ClientOptions = {}
  ) {}

  async request(method: string, path: string, body?: Uint8Array, headers: Record<string, string> = {}) {
    let response: Response
    let bytes: Uint8Array
    try {
      response = await fetch(new URL(path, `${this.url}/v2/${this.repository}/`), {
        method,
        body: body === undefined ? null : Buffer.from(body),
        headers: this.options.newConnections === true ? { ...headers, connection: "close" } : headers
      })
      bytes = new Uint8Array(await response.arrayBuffer())
    } catch (cause) {
      throw new Disconnected(`${method} ${path}`, { cause })
    }
    const { status } = response
    const text = () => new TextDecoder().decode(bytes.subarray(0, 500))
    const refuse = (when = "") => {
      const Refusal = status >= 500 || status === 429 ? Unavailable : Unexpected
      return new Refusal(`${method} ${path}: ${status} ${text()} ${when}`.trim())
    }
    return { status, bytes, headers: response.headers, text, refuse }
  }

  /** Sends a request that must have one of these answers. */
  async expect(statuses: ReadonlyArray<number>, ...args: Parameters<Client["request"]>) {
    const response = await this.request(...args)
    if (!statuses.includes(response.status)) throw response.refuse()
    return response
  }

  /** Returns the digest of the manifest of a tag, or `undefined`. */
  async resolve(tag: string): Promise<string | undefined> {
    const { headers, status } = await this.expect([200, 404], "HEAD", `manifests/${tag}`)
    return status === 404 ? undefined : headers.get("docker-content-digest") ?? ""
  }

  async has(blob: string): Promise<boolean> {
    return (await this.expect([200, 404], "HEAD", `blobs/${blob}`)).status === 200
  }

  /** Pushes a blob in one of the ways that a client has. */
  async pushBlob(bytes: Uint8Array, from: string): Promise<void> {
    const digest = digestOf(bytes)
    const way = random(4)
    if (way === 0) {
      await this.expect([201], "POST", `blobs/uploads/?digest=${digest}`, bytes)
      return
    }
    const query = way === 1 ? `?mount=${digest}&from=${from}` : ""
    const begun = await this.expect(way === 1 ? [201, 202] : [202], "POST", `blobs/uploads/${query}`)
    if (begun.status === 201) return
    const chunks = way === 2 ? [] : [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)]
    const location = await this.sendChunks(begun.headers, chunks.filter((chunk) => chunk.byteLength > 0))
    location.searchParams.set("digest", digest)
    await this.toSession(201, "PUT", location.href, chunks.length === 0 ? bytes : undefined)
  }

  /** Sends a request to an upload session. If the session or its last chunk is lost, the push begins again. */
  private async toSession(status: number, ...args: Parameters<Client["request"]>) {
    const response = await this.request(...args)
    if (response.status === status) return response
    throw [404, 416].includes(response.status) ? new Unavailable(response.refuse().message) : response.refuse()
  }

  /** Begins an upload session, and never ends it. */
  async abandonUpload(): Promise<void> {
    const begun = await this.expect([202], "POST", "blobs/uploads/")
    await this.sendChunks(begun.headers, [randomBytes(10_000)])
  }

  private async sendChunks(begun: Headers, chunks: ReadonlyArray<Uint8Array>): Promise<URL> {
    let location = new URL(begun.get("location") ?? "", this.url)
    let offset = 0
    for (const chunk of chunks) {
      const range = { "content-range": `${offset}-${offset + chunk.byteLength - 1}` }
      const { headers } = await this.toSession(202, "PATCH", location.href, chunk, range)
      location = new URL(headers.get("location") ?? "", this.url)
      offset += chunk.byteLength
    }
    return location
  }

  putManifest(reference: string, manifest: Uint8Array) {
    return this.request("PUT", `manifests/${reference}`, manifest, { "content-type": image })
  }

  async delete(reference: string): Promise<void> {
    await this.expect(this.options.repeated === true ? [202, 404] : [202], "DELETE", `manifests/${reference}`)
  }
}
