/** Clients that push, tag and delete images, and a reader that checks what they know. */
import { absent } from "./Ledger.js"
import type { Ledger } from "./Ledger.js"
import { Client, digestOf, Disconnected, newImage, Unavailable } from "./LoadClient.js"
import type { ClientOptions, Image } from "./LoadClient.js"

const repositories = ["soak/one", "soak/two"]
const tagsPerClient = 4

/** Tags of a ledger contain the repository: `soak/one:c1-3`. */
const split = (tag: string): readonly [repository: string, name: string] => {
  const [repository = "", name = ""] = tag.split(":")
  return [repository, name]
}

const random = <A>(values: ReadonlyArray<A>): A | undefined => values[Math.floor(Math.random() * values.length)]

/** A client that sends one request after the other. */
class Worker {
  private readonly repository: string
  private readonly other: string
  private readonly client: Client
  private readonly tags: ReadonlyArray<string>
  private unfinished: { readonly image: Image; readonly tag: string } | undefined

  constructor(
    url: string,
    number: number,
    private readonly ledger: Ledger,
    private readonly grace: number,
    options: ClientOptions
  ) {
    this.repository = repositories[number % 2]!
    this.other = repositories[(number + 1) % 2]!
    this.client = new Client(url, this.repository, options)
    this.tags = Array.from({ length: tagsPerClient }, (_, tag) => `${this.repository}:c${number}-${tag}`)
  }

  /** Whether a push has failed that was not repeated yet. */
  get isUnfinished(): boolean {
    return this.unfinished !== undefined
  }

  /** Does one thing. After a push that failed, repeats the push. */
  async step(): Promise<void> {
    if (this.unfinished !== undefined) return this.push(this.unfinished.image, this.unfinished.tag)
    const dice = Math.random()
    if (dice < 0.55) return this.push(newImage(), random(this.tags)!)
    if (dice < 0.65) return this.client.abandonUpload()
    const tag = random(this.tags.filter((tag) => {
      const values = this.ledger.valuesOf(tag)
      return values.size === 1 && !values.has(absent)
    }))
    if (tag === undefined) return
    const [digest = ""] = this.ledger.valuesOf(tag)
    if (dice < 0.75) return this.retag(digest, random(this.tags)!)
    if (dice < 0.9) return this.set([tag], absent, () => this.client.delete(split(tag)[1]))
    for (const possible of this.ledger.possibleTagsOf(digest)) this.ledger.begin(possible, absent)
    await this.set(this.ledger.tagsOf(digest), absent, () => this.client.delete(digest))
    this.ledger.deleted(digest)
  }

  /** Pushes an image as clients do: blobs that the registry has are not sent. */
  private async push(image: Image, tag: string): Promise<void> {
    this.unfinished = { image, tag }
    for (;;) {
      const begun = performance.now()
      for (const blob of image.blobs) {
        if (!(await this.client.has(digestOf(blob)))) await this.client.pushBlob(blob, this.other)
      }
      if (await this.put(tag, image, begun)) break
    }
    this.unfinished = undefined
  }

  /** Returns `false` if the client was so slow that the collector may have deleted a blob that it found. */
  private async put(tag: string, { digest, manifest }: Image, begun: number): Promise<boolean> {
    this.ledger.begin(tag, digest)
    const response = await this.client.putManifest(split(tag)[1], manifest)
    const took = performance.now() - begun
    if (took > this.grace / 2 && response.text().includes("MANIFEST_BLOB_UNKNOWN")) return false
    if (response.status !== 201) throw response.refuse(`${Math.round(took)} ms after the first request of the push`)
    this.ledger.settle(tag, digest)
    return true
  }

  private async retag(digest: string, tag: string): Promise<void> {
    const { bytes } = await this.client.expect([200], "GET", `manifests/${digest}`)
    await this.put(tag, { digest, manifest: bytes, blobs: [] }, performance.now())
  }

  private async set(tags: ReadonlyArray<string>, value: string, request: () => Promise<void>): Promise<void> {
    for (const tag of tags) this.ledger.begin(tag, value)
    await request()
    for (const tag of tags) this.ledger.settle(tag, value)
  }
}

export interface LoadOptions extends ClientOptions {
  readonly clients: number
  /** The grace of the collector, in milliseconds. */
  readonly grace: number
  /**
   * Whether clients continue after a failure of the server, and repeat the push that failed, as Docker does. Otherwise
   * the first failure ends its client. Default: `false`.
   */
  readonly retry?: boolean | undefined
}

/** How often a client repeats, before it gives up. */
const maxAttempts = 100

/** How long a client waits before it repeats, in milliseconds. */
const pause = 250

/** Runs clients until the server is gone or `stop` is called. */
export const startLoad = (url: string, ledger: Ledger, options: LoadOptions) => {
  const { clients, grace, retry = false } = options
  const stopping = new AbortController()
  const outcome = { problems: new Array<string>(), disconnects: new Array<string>(), retries: new Array<string>() }
  const run = async (number: number) => {
    const worker = new Worker(url, number, ledger, grace, options)
    let attempts = 0
    const isDone = () => stopping.signal.aborted && !(retry && worker.isUnfinished)
    while (!isDone()) {
      try {
        await worker.step()
        attempts = 0
      } catch (error) {
        const isFailure = error instanceof Disconnected || error instanceof Unavailable
        if (!retry || !isFailure || attempts++ === maxAttempts) {
          const list = error instanceof Disconnected ? outcome.disconnects : outcome.problems
          return void list.push(String(error))
        }
        outcome.retries.push(String(error))
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }
  const done = Promise.all(Array.from({ length: clients }, (_, number) => run(number)))
  return {
    /** Waits for the requests that run. Returns the unexpected answers, and the requests without an answer. */
    stop: async () => {
      stopping.abort()
      await done
      return outcome
    }
  }
}

/** Reads all that the ledger knows, and settles it. Returns what is lost or corrupt. */
export const verify = async (url: string, ledger: Ledger): Promise<ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const verified = new Set<string>()
  const clients = new Map(repositories.map((repository) => [repository, new Client(url, repository)]))
  const verifyContent = async (client: Client, kind: "manifests" | "blobs", digest: string) => {
    const { bytes, status } = await client.request("GET", `${kind}/${digest}`)
    if (status !== 200) problems.push(`${kind}/${digest}: ${status}`)
    else if (digestOf(bytes) !== digest) problems.push(`${kind}/${digest} is corrupt`)
    return bytes
  }
  const verifyImage = async (client: Client, digest: string) => {
    const bytes = await verifyContent(client, "manifests", digest)
    const { config, layers } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly config: { readonly digest: string }
      readonly layers: ReadonlyArray<{ readonly digest: string }>
    }
    for (const blob of [config, ...layers]) {
      if (verified.has(blob.digest)) continue
      await verifyContent(client, "blobs", blob.digest)
      verified.add(blob.digest)
    }
  }
  const verifyTag = async (tag: string) => {
    const [repository, name] = split(tag)
    const client = clients.get(repository)!
    const value = (await client.resolve(name)) ?? absent
    const possible = ledger.valuesOf(tag)
    if (!possible.has(value)) problems.push(`${tag} is ${value}, and not ${[...possible].join(" or ")}`)
    ledger.settle(tag, value)
    if (value !== absent) await verifyImage(client, value)
  }
  const verifyDeleted = async (digest: string) => {
    for (const client of clients.values()) {
      if ((await client.resolve(digest)) !== undefined) problems.push(`${digest} was deleted and is there`)
    }
  }
  const tasks = [
    ...ledger.allTags.map((tag) => () => verifyTag(tag)),
    ...ledger.lastDeleted.map((digest) => () => verifyDeleted(digest))
  ]
  const next = tasks.values()
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const task of next) await task()
  }))
  return problems
}
