import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import type { Registry } from "@effect-oci/core/Registry"
import type * as RegistryError from "@effect-oci/core/RegistryError"
import type { BlobStore } from "@effect-oci/store/BlobStore"
import type { MetadataStore } from "@effect-oci/store/MetadataStore"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import type { StoreCheck } from "../../StoreCheck.js"
import { broken, chunkSize, paused, readBytes } from "./blobBytes.js"
import { pairCheck, withNodes } from "./pair.js"
import type { Stores } from "./pair.js"
import { pullsBlob } from "./registryScenario.js"
import { bytes, repository, upTo } from "./samples.js"
import { equal, mismatch, print } from "./subject.js"

type Nodes = ReadonlyArray<Registry.Service>

const node = (nodes: Nodes, n: number): Registry.Service => nodes[n % nodes.length]!

/** Uploads content in chunks, each at another node. Returns the id of the session. */
const uploadInTurn = (nodes: Nodes, chunks: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function*() {
    const { id } = yield* node(nodes, 0).startUpload(repository)
    let offset = 0
    for (const [n, chunk] of chunks.entries()) {
      const upload = yield* node(nodes, n + 1).appendUpload(repository, id, Body.bytes(chunk), { offset })
      offset += chunk.byteLength
      yield* equal(upload, { ...upload, id, offset })
      for (const each of nodes) yield* equal((yield* each.getUpload(repository, id)).offset, offset)
    }
    return { id, offset }
  })

/** Expects that an effect fails with one of some errors of a registry. */
const failsAs = <A>(
  effect: Effect.Effect<A, RegistryError.RegistryError>,
  ...tags: ReadonlyArray<RegistryError.RegistryError["_tag"]>
) =>
  Effect.flatMap(Effect.either(effect), (result) =>
    Either.isLeft(result) && tags.includes(result.left._tag)
      ? Effect.void
      : mismatch(`the error ${tags.join(" or ")}`, print(result)))

/** A request of a client that sends content to one of the nodes. */
const request = fc.record({
  node: fc.nat(2),
  chunks: fc.nat(2),
  declares: fc.constantFrom("right", "right", "nothing", "wrong"),
  ends: fc.constantFrom("whole", "whole", "whole", "broken", "interrupted"),
  /** How often other requests can run while the body arrives. */
  pauses: fc.nat(6)
})

type Request = typeof request extends fc.Arbitrary<infer A> ? A : never

/** What was sent: bytes that are all `fill`, and what the client knows of them. */
interface Sent {
  readonly fill: number
  readonly size: number
  /** The offset of the first byte if they were acknowledged, `undefined` if they were refused. */
  readonly outcome: { readonly from: number } | "refused" | "unknown"
}

const slowly = (content: Uint8Array, pauses: number): Stream.Stream<Uint8Array> => {
  const size = Math.max(1, Math.ceil(content.byteLength / (pauses + 1)))
  const parts = upTo(pauses + 1).map((n) => content.subarray(n * size, (n + 1) * size))
  return Stream.tap(Stream.fromIterable(parts), () => Effect.yieldNow())
}

/** Sends a request, and reports what its client learns. */
const send = (
  nodes: Nodes,
  id: string,
  { chunks, declares, ends, node: n, pauses }: Request,
  fill: number,
  unit: number
) =>
  Effect.gen(function*() {
    const registry = node(nodes, n)
    const { offset: current } = yield* registry.getUpload(repository, id)
    const content = new Uint8Array(chunks * unit).fill(fill)
    const body = ends === "broken" ? broken(content) : Body.stream(slowly(content, pauses))
    const offset = { right: { offset: current }, nothing: {}, wrong: { offset: current + 1 } }[declares]
    const sending = yield* Effect.fork(registry.appendUpload(repository, id, body, offset))
    if (ends === "interrupted") {
      yield* Effect.repeatN(Effect.yieldNow(), pauses)
      yield* Fiber.interrupt(sending)
    }
    const exit = yield* Fiber.await(sending)
    const outcome = (): Sent["outcome"] => {
      if (Exit.isSuccess(exit)) return { from: exit.value.offset - content.byteLength }
      return Exit.isInterrupted(exit) || ends === "broken" ? "unknown" : "refused"
    }
    if (ends === "whole" && declares === "wrong" && Exit.isSuccess(exit)) {
      yield* mismatch("OciRangeInvalid", print(exit))
    }
    const sent: Sent = { fill, size: content.byteLength, outcome: outcome() }
    return sent
  })

/** Expects that content consists of what was acknowledged, in place, and of beginnings of what may have been received. */
const isUnmixed = (content: Uint8Array, all: ReadonlyArray<Sent>) =>
  Effect.gen(function*() {
    for (const { fill, outcome, size } of all) {
      const from = content.indexOf(fill)
      const length = content.filter((byte) => byte === fill).byteLength
      const isOneRun = from === -1 || content.subarray(from, from + length).every((byte) => byte === fill)
      const found = isOneRun ? { from, length } : "bytes in several places"
      if (outcome === "refused") yield* equal(found, { from: -1, length: 0 })
      else if (outcome === "unknown") yield* equal(isOneRun && length <= size, true)
      else if (size > 0) yield* equal(found, { from: outcome.from, length: size })
    }
    yield* equal(content.filter((byte) => !all.some(({ fill }) => fill === byte)), bytes(0))
  })

/** Stores the bytes of a session under its key without ending it, and returns them. */
const storedBytes = ({ blobs, metadata }: Stores, id: string) =>
  Effect.gen(function*() {
    const { key, offset, token } = yield* metadata.getUpload(id)
    if (token === undefined) return bytes(0)
    yield* blobs.commit({ token, size: offset })
    return yield* readBytes(blobs, key)
  })

const history = fc.array(fc.array(request, { maxLength: 4 }), { minLength: 1, maxLength: 3 })

/** Upload sessions do not belong to one node of a cluster. */
export const movingUploads: ReadonlyArray<StoreCheck<BlobStore | MetadataStore>> = [
  pairCheck(
    "continues an upload at any node, chunk by chunk, and completes it at any node, also again",
    function*(stores, subject) {
      const size = chunkSize(stores.blobs)
      yield* withNodes(stores, subject, 3, (nodes) =>
        Effect.gen(function*() {
          for (const [n, last] of [0, 1, 700].entries()) {
            for (const algorithm of ["sha256", "sha512"] as const) {
              const content = bytes(4 * size + last, n)
              const chunks = upTo(4).map((at) => content.subarray(at * size, (at + 1) * size))
              const { id, offset } = yield* uploadInTurn(nodes, chunks)
              const body = last === 0 ? {} : { offset, body: Body.bytes(content.subarray(offset)) }
              const digest = Digest.fromBytes(content, algorithm)
              yield* node(nodes, n).completeUpload(repository, id, digest, body)
              for (const each of nodes) {
                yield* failsAs(each.getUpload(repository, id), "OciBlobUploadUnknown")
                yield* equal((yield* each.resolveBlob(repository, digest)).size, content.byteLength)
                yield* equal((yield* each.completeUpload(repository, id, digest, body)).size, content.byteLength)
              }
              if (algorithm === "sha256") yield* pullsBlob(node(nodes, n + 1), repository, content)
            }
          }
        }))
    }
  ),
  pairCheck("refuses an upload with another digest, whichever node received its chunks", function*(stores, subject) {
    const size = chunkSize(stores.blobs)
    yield* withNodes(stores, subject, 2, (nodes) =>
      Effect.gen(function*() {
        for (const last of [undefined, bytes(700)]) {
          const { id } = yield* uploadInTurn(nodes, [bytes(size), bytes(size, 1), bytes(size, 2)])
          const wrong = Digest.fromBytes(bytes(3 * size + (last?.byteLength ?? 0), 9))
          const body = last === undefined ? {} : { body: Body.bytes(last) }
          yield* failsAs(node(nodes, 0).completeUpload(repository, id, wrong, body), "OciDigestInvalid")
          for (const each of nodes) {
            yield* failsAs(each.getUpload(repository, id), "OciBlobUploadUnknown")
            yield* failsAs(each.resolveBlob(repository, wrong), "OciBlobUnknown")
          }
        }
      }))
  }),
  pairCheck("lets the newest of two requests at one offset win, at any node", function*(stores, subject) {
    const size = chunkSize(stores.blobs)
    yield* withNodes(stores, subject, 2, ([a, b]) =>
      Effect.gen(function*() {
        const { id } = yield* a!.startUpload(repository)
        const [old, recent] = [yield* paused(bytes(2 * size, 1)), yield* paused(bytes(2 * size, 2))]
        const older = yield* Effect.fork(a!.appendUpload(repository, id, old.body, { offset: 0 }))
        yield* old.begun
        const newer = yield* Effect.fork(b!.appendUpload(repository, id, recent.body, { offset: 0 }))
        yield* recent.begun
        yield* old.end
        yield* failsAs(Fiber.join(older), "OciRangeInvalid")
        yield* recent.end
        yield* equal((yield* Fiber.join(newer)).offset, 2 * size)
        yield* failsAs(a!.appendUpload(repository, id, Body.bytes(bytes(1)), { offset: 0 }), "OciRangeInvalid")
        yield* a!.completeUpload(repository, id, Digest.fromBytes(bytes(2 * size, 2)))
        yield* pullsBlob(b!, repository, bytes(2 * size, 2))
      }))
  }),
  pairCheck("mixes no bytes of requests to several nodes, in any history of an upload", function*(stores, subject) {
    const unit = chunkSize(stores.blobs)
    const histories = fc.sample(history, { numRuns: unit > 100_000 ? 3 : 40, seed: 1 })
    yield* withNodes(stores, subject, 3, (nodes) =>
      Effect.forEach(histories, (clients) =>
        Effect.gen(function*() {
          const { id } = yield* node(nodes, 0).startUpload(repository)
          let fill = 0
          const sent = yield* Effect.forEach(clients, (requests) =>
            Effect.forEach(requests, (request) => Effect.suspend(() => send(nodes, id, request, ++fill, unit))), {
            concurrency: "unbounded"
          })
          const content = yield* storedBytes(stores, id)
          yield* isUnmixed(content, sent.flat())
          const complete = (n: number) =>
            Effect.either(node(nodes, n).completeUpload(repository, id, Digest.fromBytes(content)))
          const results = yield* Effect.all([complete(0), complete(1)], { concurrency: "unbounded" })
          // Both may succeed, because they complete the same upload.
          yield* equal(results.some(Either.isRight), true)
          yield* pullsBlob(node(nodes, 2), repository, content)
        })))
  })
]
