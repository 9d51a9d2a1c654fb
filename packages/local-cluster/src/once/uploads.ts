/** Upload sessions that move between nodes. The requests are sent directly to the nodes. */
import { digestOf } from "@effect-oci/testing/LoadClient"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { Broken } from "./step.js"
import type { Context } from "./step.js"

const repository = "uploads/across"
const mebibyte = 1024 ** 2

interface Answer {
  readonly status: number
  readonly location: string
  readonly bytes: Uint8Array
}

/** Sends a request to a node. */
const send = async (
  authority: string,
  method: string,
  path: string,
  body?: Uint8Array,
  headers: Record<string, string> = {}
): Promise<Answer> => {
  const response = await fetch(new URL(path, `http://${authority}`), {
    method,
    headers,
    body: body === undefined ? null : Buffer.from(body)
  })
  const location = response.headers.get("location")
  return {
    status: response.status,
    // The path is the same on each node.
    location: location === null ? path : new URL(location, `http://${authority}`).href.replace(/^https?:\/\/[^/]+/, ""),
    bytes: new Uint8Array(await response.arrayBuffer())
  }
}

const expectStatus = (answer: Answer, status: number, what: string): Answer => {
  if (answer.status === status) return answer
  const text = new TextDecoder().decode(answer.bytes.subarray(0, 300))
  throw new Broken({ problems: [`${what}: expected ${status}, received ${answer.status} ${text}`] })
}

const begin = async (node: string) =>
  expectStatus(await send(node, "POST", `/v2/${repository}/blobs/uploads/`), 202, "start of the upload").location

const patch = (node: string, path: string, offset: number, chunk: Uint8Array) =>
  send(node, "PATCH", path, chunk, {
    "content-type": "application/octet-stream",
    "content-range": `${offset}-${offset + chunk.byteLength - 1}`
  })

const finish = async (node: string, path: string, bytes: Uint8Array) => {
  const digest = digestOf(bytes)
  const target = `${path}${path.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`
  expectStatus(await send(node, "PUT", target), 201, "end of the upload")
  return digest
}

const expectContent = async (node: string, digest: string) => {
  const { bytes } = expectStatus(await send(node, "GET", `/v2/${repository}/blobs/${digest}`), 200, "download")
  if (digestOf(bytes) !== digest) throw new Broken({ problems: [`the content of ${digest} is another one`] })
}

const attempt = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (error) => error instanceof Broken ? error : new Broken({ problems: [String(error)] })
  })

/** Sends each chunk of an upload to another node, and reads the blob from each node. */
export const alternate = ({ cluster: { nodes } }: Context) =>
  attempt(async () => {
    const chunks = [mebibyte, 9 * mebibyte, 100, 3 * mebibyte, 17 * mebibyte + 1].map((size) => randomBytes(size))
    const node = (index: number) => nodes[index % nodes.length]?.authority ?? ""
    let path = await begin(node(0))
    let offset = 0
    for (const [index, chunk] of chunks.entries()) {
      const answer = await patch(node(index + 1), path, offset, chunk)
      path = expectStatus(answer, 202, `chunk ${index + 1}`).location
      offset += chunk.byteLength
    }
    const digest = await finish(node(chunks.length + 1), path, Buffer.concat(chunks))
    for (const { authority } of nodes) await expectContent(authority, digest)
    return `${chunks.length} chunks, ${Math.round(offset / mebibyte)} MiB`
  })

/** Sends different chunks for one offset to two nodes at once: at most one is accepted, and nothing is mixed. */
export const contend = ({ cluster: { nodes } }: Context) =>
  attempt(async () => {
    const [first = "", second = ""] = nodes.map(({ authority }) => authority)
    const refusals = new Set<number>()
    for (let round = 0; round < 3; round++) {
      const path = await begin(first)
      const chunks = [randomBytes(2 * mebibyte), randomBytes(2 * mebibyte)]
      const answers = await Promise.all(chunks.map((chunk, index) => patch([first, second][index]!, path, 0, chunk)))
      const accepted = answers.flatMap((answer, index) => answer.status === 202 ? [index] : [])
      for (const { status } of answers) if (status !== 202) refusals.add(status)
      if (accepted.length > 1) throw new Broken({ problems: ["two chunks were accepted for one offset"] })
      const [winner] = accepted
      if (winner === undefined) continue
      const digest = await finish(second, answers[winner]!.location, chunks[winner]!)
      await expectContent(first, digest)
    }
    const wrong = [...refusals].filter((status) => status !== 404 && status !== 416)
    if (wrong.length > 0) {
      throw new Broken({ problems: [`the other chunk received ${wrong.join(", ")}, not 404 or 416`] })
    }
    return `3 rounds, the other chunk received ${[...refusals].join(" or ")}`
  })
