/**
 * A registry that responds from a recording of another registry.
 *
 * Use it to test against the behaviour of real registries, including quirks and faults, without a network. `Record`
 * creates the recordings.
 *
 * @since 0.1.0
 */
import { BlobContent, Body, Manifest, Operation, printable, Registry, RegistryError } from "@effect-oci/core"
import type { Answer, Digest, Handler } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as entries from "./internal/entry.js"
import { contentOf, ObservedBody } from "./internal/observeResponse.js"
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
  const tape = new Tape(recording)
  return <O extends Operation.Operation>(operation: O): Answer.Answer<O> =>
    Effect.flatMap(
      tape.asked(operation),
      (asked) => tape.next(operation, asked)
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

type RecordedAnswer = Effect.Effect<unknown, RegistryError.RegistryError>

/** How many recorded operations an error message contains at most. */
const maxTold = 5

class Tape {
  private readonly turns = new Map<string, { readonly entries: Array<Recording.Entry>; at: number }>()
  private readonly ids = new Set<string>()
  private readonly contents = new Map<Digest.Digest, Uint8Array>()

  constructor(private readonly recording: Recording.Recording) {
    for (const entry of recording.entries) {
      const key = entries.key(entry.operation)
      const turn = this.turns.get(key)
      if (turn === undefined) this.turns.set(key, { entries: [entry], at: 0 })
      else turn.entries.push(entry)
      if ("result" in entry) this.gather(entry)
    }
  }

  private gather(entry: Extract<Recording.Entry, { readonly result: unknown }>): void {
    for (const content of contentsOf(entry)) {
      if (content.bytes !== undefined) this.contents.set(content.digest, content.bytes)
    }
    const { result } = entry
    if ("id" in result) this.ids.add(result.id)
    if ("upload" in result) this.ids.add(result.upload.id)
  }

  /** Returns the operation in the form in which a recording contains it. */
  asked(operation: Operation.Operation): Effect.Effect<Recording.RecordedOperation, RegistryError.RegistryError> {
    const idOf = (id: string) => this.ids.has(id) ? id : entries.unissued(id)
    if ("bytes" in operation) return Exit.succeed(entries.asked(operation, idOf, contentOf(operation.bytes, 0)))
    const body = Operation.bodyOf(operation)
    if (body === undefined) return Exit.succeed(entries.asked(operation, idOf, undefined))
    return Effect.map(digest(body), (content) => entries.asked(operation, idOf, content))
  }

  /** Returns the next recorded answer to the operation. */
  next(operation: Operation.Operation, asked: Recording.RecordedOperation): RecordedAnswer {
    const turn = this.turns.get(entries.key(asked)) ?? this.turns.get(entries.key(entries.withoutBody(asked)))
    if (turn === undefined) return Exit.fail(this.refused(operation, this.missing(operation)))
    const entry = turn.entries[turn.at]!
    if (turn.at < turn.entries.length - 1) turn.at++
    return "error" in entry ? Exit.fail(entry.error) : this.answer(operation, entry)
  }

  private answer(
    operation: Operation.Operation,
    { result, operation: { _tag } }: Extract<Recording.Entry, { readonly result: unknown }>
  ): RecordedAnswer {
    switch (_tag) {
      case "GetBlob": {
        const { content, descriptor, range } = result as Recording.Results["GetBlob"]
        return Effect.map(
          this.body(operation, content, range?.length ?? descriptor.size),
          (body) => new BlobContent.BlobContent({ descriptor, range, body, verified: false })
        )
      }
      case "GetManifest": {
        const { content, descriptor: { digest, mediaType } } = result as Recording.Results["GetManifest"]
        const onLimit = () => this.refused(operation, "its content is longer than was recorded")
        return this.body(operation, content, content.size).pipe(
          Effect.flatMap((body) => Body.toBytes(body, { limit: content.size, onLimit })),
          Effect.flatMap((bytes) => Manifest.make({ mediaType, bytes, digest })),
          Effect.mapError((error) => RegistryError.withFields(error, Operation.errorFields(operation)))
        )
      }
      case "PushManifest": {
        const { descriptor, subject, tags } = result as Recording.Results["PushManifest"]
        return Exit.succeed({ ...descriptor, subject, tags })
      }
      case "ListRepositories":
      case "ListTags":
      case "ListReferrers": {
        const { ended, items } = result as Recording.List<unknown>
        return Exit.succeed(Stream.concat(Stream.fromIterable(items), this.end(operation, ended)))
      }
      case "MountBlob": {
        const mounted = result as Recording.Results["MountBlob"]
        return Exit.succeed(
          mounted._tag === "Mounted" ? new Operation.Mounted(mounted) : new Operation.UploadStarted(mounted)
        )
      }
      case "CancelUpload":
      case "DeleteBlob":
      case "DeleteManifest":
      case "DeleteTag":
        return Exit.succeed(Operation.done)
      default:
        return Exit.succeed(result)
    }
  }

  private body(
    operation: Operation.Operation,
    content: Recording.Content,
    size: number
  ): Effect.Effect<Body.Body, RegistryError.Refused> {
    const ended = (body: Body.Body) =>
      content.ended === undefined
        ? body
        : Body.stream(Stream.concat(body.stream, this.end(operation, content.ended)), { size, replayable: true })
    const bytes = content.size === 0 ? new Uint8Array(0) : this.contents.get(content.digest)
    if (bytes !== undefined) return Exit.succeed(ended(Body.bytes(bytes)))
    const absent = this.refused(
      operation,
      `${this.recording.name} has no more of this content than its digest, ${content.digest}, and its size, ${content.size} bytes`
    )
    const { load } = this.recording
    if (load === undefined) return Exit.fail(absent)
    return Effect.flatMap(
      load(content.digest),
      (body) => body === undefined ? Exit.fail(absent) : Exit.succeed(ended(body))
    )
  }

  private end(
    operation: Operation.Operation,
    ended: Recording.Ended | undefined
  ): Stream.Stream<never, RegistryError.RegistryError> {
    if (ended === undefined) return Stream.empty
    return Stream.fail(
      ended === "early"
        ? this.refused(operation, `${this.recording.name} has no more than this: who read it then left here`)
        : ended.error
    )
  }

  private refused(operation: Operation.Operation, reason: string): RegistryError.Refused {
    return new RegistryError.Refused({ ...Operation.errorFields(operation), by: "Replay", reason })
  }

  private missing(operation: Operation.Operation): string {
    const alike = Array.from(this.turns.values(), ({ entries: [entry] }) => entry!.operation)
      .filter(({ _tag }) => _tag === operation._tag)
    const told = alike.slice(0, maxTold).map(describe).join(", ")
    const more = alike.length > maxTold ? ` and ${alike.length - maxTold} more` : ""
    const there = alike.length === 0
      ? `none of ${operation._tag} at all, of ${this.recording.entries.length} operations`
      : `of ${operation._tag} only: ${told}${more}`
    return `${this.recording.name} has no answer to ${
      describe(entries.asked(operation, entries.unissued, undefined))
    }; it has ${there}`
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

const contentsOf = ({ operation, result }: Extract<Recording.Entry, { readonly result: unknown }>) => [
  ..."content" in result ? [result.content] : [],
  ..."body" in operation && operation.body !== undefined ? [operation.body] : [],
  ..."bytes" in operation ? [operation.bytes] : []
]

const digest = (body: Body.Body): Effect.Effect<Recording.Content, RegistryError.RegistryError> =>
  Effect.suspend(() => {
    const watched = new ObservedBody(body, 0)
    return Effect.map(Body.forEachChunk(watched.body, () => {}), () => watched.content())
  })
