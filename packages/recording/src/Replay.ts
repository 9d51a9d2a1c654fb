/**
 * A registry that responds from a recording of another registry.
 *
 * Use it to test against the behaviour of real registries, including quirks and faults, without a network. `Record`
 * creates the recordings.
 *
 * @since 0.1.0
 */
import { BlobContent, Body, Digest, Manifest, Operation, printable, Registry, RegistryError } from "@effect-oci/core"
import type { Answer, Handler } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { key as keyOf, recordedOperation, unknownId, withoutBody } from "./internal/entry.js"
import { ObservedBody } from "./internal/observeResponse.js"
import type * as Recording from "./Recording.js"

/**
 * Creates a handler that responds from a recording. Operations change nothing.
 *
 * - Equal operations (`Operation.equivalence`) receive their recorded results one after another. After that, each
 *   receives the last result again. Bodies are read, and are equal if their bytes are equal. If the recorded registry
 *   did not read a body to its end, every body is equal to it.
 * - An operation that was not recorded fails with `Refused`. The error contains the recorded operations of that kind.
 * - Content and lists end as they were recorded. If they failed, they fail with the same error. If their reader stopped
 *   early, reading further fails with `Refused`. Content that is not in the recording fails with `Refused` too.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handler = (recording: Recording.Recording): Handler.Handler => {
  const replay = new RecordedRegistry(recording)
  return <O extends Operation.Operation>(operation: O): Answer.Answer<O> =>
    Effect.flatMap(
      replay.recorded(operation),
      (recorded) => replay.next(operation, recorded)
    ) as unknown as Answer.Answer<O>
}

/**
 * Creates a layer of a registry that responds from a recording.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Recording, Replay } from "@effect-oci/recording"
 *
 * const registry = Replay.layer(Recording.fromFile("test/fixtures/harbor.jsonl"))
 * ```
 */
export const layer = <E = never, R = never>(
  recording: Recording.Recording | Effect.Effect<Recording.Recording, E, R>
): Layer.Layer<Registry, E, R> =>
  Layer.effect(
    Registry,
    Effect.map(
      Effect.isEffect(recording) ? recording : Effect.succeed(recording),
      (all) => Registry.fromHandler(handler(all))
    )
  )

type Response = Effect.Effect<unknown, RegistryError.RegistryError>

type Result = Extract<Recording.Entry, { readonly result: unknown }>

/** The maximum number of recorded operations in an error message. */
const maxDescribed = 5

/** The recorded entries of equal operations. */
interface Entries {
  readonly all: Array<Recording.Entry>
  /** The index of the next entry. The last entry is repeated. */
  next: number
}

class RecordedRegistry {
  private readonly entries = new Map<string, Entries>()
  private readonly uploadIds = new Set<string>()
  private readonly contents = new Map<Digest.Digest, Uint8Array>()

  constructor(private readonly recording: Recording.Recording) {
    for (const entry of recording.entries) {
      const key = keyOf(entry.operation)
      const equal = this.entries.get(key)
      if (equal === undefined) this.entries.set(key, { all: [entry], next: 0 })
      else equal.all.push(entry)
      if ("result" in entry) this.collect(entry)
    }
  }

  private collect(entry: Result): void {
    for (const content of contentsOf(entry)) {
      if (content.bytes !== undefined) this.contents.set(content.digest, content.bytes)
    }
    const { result } = entry
    if ("id" in result) this.uploadIds.add(result.id)
    if ("upload" in result) this.uploadIds.add(result.upload.id)
  }

  /** Returns the operation in the form in which a recording contains it. Reads its body. */
  recorded(operation: Operation.Operation): Effect.Effect<Recording.RecordedOperation, RegistryError.RegistryError> {
    const idOf = (id: string) => this.uploadIds.has(id) ? id : unknownId(id)
    const body = "bytes" in operation ? Body.bytes(operation.bytes) : Operation.bodyOf(operation)
    const content = body === undefined ? Effect.succeed(undefined) : contentOfBody(body)
    return Effect.map(content, (content) => recordedOperation(operation, idOf, content))
  }

  /** Returns the next recorded response to the operation. */
  next(operation: Operation.Operation, recorded: Recording.RecordedOperation): Response {
    const equal = this.entries.get(keyOf(recorded)) ?? this.entries.get(keyOf(withoutBody(recorded)))
    if (equal === undefined) return Effect.fail(this.refused(operation, this.missing(operation)))
    const entry = equal.all[equal.next]!
    if (equal.next < equal.all.length - 1) equal.next++
    return "error" in entry ? Effect.fail(entry.error) : this.respond(operation, entry.result)
  }

  private respond(operation: Operation.Operation, result: Result["result"]): Response {
    return Operation.matchShape<Response>(operation, {
      content: () => this.blob(operation, result as Recording.Results["GetBlob"]),
      list: () => {
        const { ended, items } = result as Recording.List<unknown>
        const all = Stream.fromIterable(items)
        return Effect.succeed(ended === undefined ? all : Stream.concat(all, Stream.fail(this.end(operation, ended))))
      },
      value: ({ _tag }) =>
        _tag === "GetManifest"
          ? this.manifest(operation, result as Recording.Results["GetManifest"])
          : Effect.succeed(result)
    })
  }

  private blob(operation: Operation.Operation, { content, descriptor, range }: Recording.Results["GetBlob"]): Response {
    return Effect.map(
      this.body(operation, content, range?.length ?? descriptor.size),
      (body) => new BlobContent.BlobContent({ descriptor, range, body, verified: false })
    )
  }

  private manifest(
    operation: Operation.Operation,
    { content, descriptor: { digest, mediaType } }: Recording.Results["GetManifest"]
  ): Response {
    const onLimit = () => this.refused(operation, "the stored content is larger than its recorded size")
    return this.body(operation, content, content.size).pipe(
      Effect.flatMap((body) => Body.toBytes(body, { limit: content.size, onLimit })),
      Effect.zipLeft(Digest.load(digest)),
      Effect.flatMap((bytes) => Manifest.make({ mediaType, bytes, digest })),
      Effect.mapError((error) => RegistryError.withFields(error, Operation.errorFields(operation)))
    )
  }

  private body(
    operation: Operation.Operation,
    { digest, ended, size: recordedSize }: Recording.Content,
    size: number
  ): Effect.Effect<Body.Body, RegistryError.Refused> {
    const bytes = recordedSize === 0 ? new Uint8Array(0) : this.contents.get(digest)
    const stored = bytes === undefined
      ? this.recording.load?.(digest) ?? Effect.succeed(undefined)
      : Effect.succeed(Body.bytes(bytes))
    return Effect.flatMap(stored, (body) => {
      if (body === undefined) {
        const reason = `${this.recording.name} contains only the digest of this content, ${digest}, and its size, ` +
          `${recordedSize} bytes; record it with a folder for large content (\`blobs\`)`
        return Effect.fail(this.refused(operation, reason))
      }
      return Effect.succeed(
        ended === undefined
          ? body
          : Body.withSize(Body.concat([body, Body.fail(this.end(operation, ended))]), size)
      )
    })
  }

  private end(operation: Operation.Operation, ended: Recording.Ended): RegistryError.RegistryError {
    const reason =
      `${this.recording.name} contains no more of this result: its reader stopped here when it was recorded`
    return ended === "early" ? this.refused(operation, reason) : ended.error
  }

  private refused(operation: Operation.Operation, reason: string): RegistryError.Refused {
    return new RegistryError.Refused({ ...Operation.errorFields(operation), by: "Replay", reason })
  }

  private missing(operation: Operation.Operation): string {
    const alike = Array.from(this.entries.values(), ({ all: [entry] }) => entry!.operation)
      .filter(({ _tag }) => _tag === operation._tag)
    const described = alike.slice(0, maxDescribed).map(describe).join(", ")
    const more = alike.length > maxDescribed ? ` and ${alike.length - maxDescribed} more` : ""
    const request = describe(recordedOperation(operation, unknownId, undefined))
    return `${this.recording.name} contains no response to ${request}; ` + (alike.length === 0
      ? `it contains no ${operation._tag} (number of operations: ${this.recording.entries.length})`
      : `it contains responses to ${described}${more}`)
  }
}

/** Returns a short text of the fields of an operation. */
const describe = (operation: Recording.RecordedOperation): string => {
  const { _tag, ...fields } = operation
  const shown = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${printable(typeof value === "string" ? value : JSON.stringify(value), 80)}`]
  )
  return `{ ${shown.join(", ")} }`
}

const contentsOf = ({ operation, result }: Result) => [
  ..."content" in result ? [result.content] : [],
  ..."body" in operation && operation.body !== undefined ? [operation.body] : [],
  ..."bytes" in operation ? [operation.bytes] : []
]

/** Reads a body, and returns its digest and size. */
const contentOfBody = (body: Body.Body): Effect.Effect<Recording.Content, RegistryError.RegistryError> =>
  Effect.suspend(() => {
    const observed = new ObservedBody(body, 0)
    return Effect.map(Body.forEachChunk(observed.body, () => {}), () => observed.content())
  })
