import * as Body from "@effect-oci/core/Body"
import type * as ByteRange from "@effect-oci/core/ByteRange"
import * as Descriptor from "@effect-oci/core/Descriptor"
import type { Handler } from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { Expected, Spec } from "../Law.js"
import * as world from "../SampleWorld.js"
import { digestOf, pushed, sha512Of } from "./content.js"
import { perform } from "./response.js"

/**
 * One operation of a script. The ids of upload sessions are names in the script. `opens` is the name of the session
 * that the operation may open. An operation with `behind` goes to the registry without its wrappers.
 */
export interface Line {
  readonly operation: Operation.Operation
  readonly opens: string
  readonly behind: boolean
}

/** A sequence of operations. */
export type Script = ReadonlyArray<Line>

/**
 * A step before its operation is chosen. `aim` selects the content: content that is visible (`there`), an operation
 * that succeeds only `behind` the wrappers, a repeated read (`again`), or `anything`, valid or not.
 */
interface Step {
  readonly tag: Operation.OperationTag
  readonly choice: number
  readonly aim: "there" | "behind" | "again" | "anything"
}

const operationTag: fc.Arbitrary<Operation.OperationTag> = fc.oneof(
  { arbitrary: fc.constantFrom<Operation.OperationTag>("PushBlob", "PushManifest"), weight: 4 },
  { arbitrary: fc.constantFrom<Operation.OperationTag>("AppendUpload", "CompleteUpload", "MountBlob"), weight: 4 },
  { arbitrary: fc.constantFrom(...world.operationTags), weight: 12 }
)

const aim: fc.Arbitrary<Step["aim"]> = fc.oneof(
  { arbitrary: fc.constant<Step["aim"]>("there"), weight: 20 },
  { arbitrary: fc.constant<Step["aim"]>("behind"), weight: 2 },
  { arbitrary: fc.constant<Step["aim"]>("again"), weight: 2 },
  { arbitrary: fc.constant<Step["aim"]>("anything"), weight: 1 }
)

const steps = (tag: fc.Arbitrary<Operation.OperationTag>, maxLength: number): fc.Arbitrary<ReadonlyArray<Step>> =>
  fc.array(
    fc.record({ tag, choice: fc.nat(0xFFFF), aim }),
    { maxLength, size: "max" }
  )

/** Generates plans of scripts: the pushes that fill a registry, and the operations after them. */
export const plan = (maxLength: number): fc.Arbitrary<Plan> =>
  fc.record({
    before: steps(fc.constantFrom<Operation.OperationTag>("PushBlob", "PushManifest"), 14),
    steps: steps(operationTag, maxLength)
  })

export interface Plan {
  readonly before: ReadonlyArray<Step>
  readonly steps: ReadonlyArray<Step>
}

/** The model of a registry for which a script is written: in front of its wrappers, and behind them. */
export interface Stage {
  readonly front: Spec
  readonly behind: Spec
  readonly save: () => () => void
}

/** An open upload session, and the blob that it uploads. */
interface Open {
  readonly name: string
  readonly id: string
  readonly repository: RepositoryName.RepositoryName
  readonly blob: number
  readonly offset: number
}

const names = [...world.repositories, ...["app", "base", "tool", "tools/app", "team-x"].map(RepositoryName.make)]

/** The number of choices to try for one step. */
const tries = 16

/** Most lists of referrers are empty. The first tries look for a list with items. */
const hasSomething = (operation: Operation.Operation, expected: Expected, attempt: number): boolean => {
  if (!("result" in expected)) return false
  const isEmpty = operation._tag === "ListReferrers" && Array.isArray(expected.result) && expected.result.length === 0
  return !isEmpty || attempt >= tries / 2
}

class Writer {
  readonly script: Array<Line> = []
  private readonly open: Array<Open> = []

  constructor(private readonly stage: Stage) {}

  /** Adds an operation of this kind, or of the kinds after it, that has the aim of the step. */
  add(spec: Spec, { aim, choice, tag }: Step): void {
    const behind = spec !== this.stage.front
    const from = world.operationTags.indexOf(tag)
    const tags = aim === "anything" || behind
      ? [tag]
      : [...world.operationTags.slice(from), ...world.operationTags.slice(0, from)]
    for (const candidate of tags) {
      for (let attempt = 0; attempt < tries; attempt++) {
        const choose = chooser(choice + attempt * 0x10001)
        const upload = this.open.length === 0 ? undefined : this.open[choose(this.open.length)]
        const operation = make(candidate, choose, upload, aim === "anything")
        if (operation === undefined) break
        if (aim === "behind" && !this.succeedsBehind(operation)) continue
        const restore = this.stage.save()
        const expected = spec(operation)
        const isWanted = aim === "there" ? hasSomething(operation, expected, attempt) : !("result" in expected)
        if (aim === "anything" || isWanted) return this.keep(operation, expected, upload, behind)
        restore()
      }
    }
  }

  /** Repeats an earlier read. */
  repeat(choice: number): void {
    const reads = this.script.filter(({ operation }) => Operation.isRead(operation))
    if (reads.length === 0) return
    this.script.push({ ...reads[choice % reads.length]!, opens: `upload${this.script.length}`, behind: false })
  }

  private succeedsBehind(operation: Operation.Operation): boolean {
    const restore = this.stage.save()
    const expected = this.stage.behind(operation)
    restore()
    return "result" in expected
  }

  private keep(operation: Operation.Operation, expected: Expected, upload: Open | undefined, behind: boolean): void {
    const { open, script } = this
    const opens = `upload${script.length}`
    const name = "id" in operation ? open.find(({ id }) => id === operation.id)?.name ?? operation.id : ""
    script.push({
      operation: "id" in operation ? Operation.withUploadId(operation, name) : operation,
      opens,
      behind
    })
    if (!("result" in expected) || expected.upload === undefined) {
      const ends = operation._tag === "CompleteUpload" || operation._tag === "CancelUpload"
      const isIts = ends && operation.id === upload?.id && operation.repository === upload.repository
      if (isIts) open.splice(open.indexOf(upload), 1)
      return
    }
    const { offset } = expected.result as { readonly offset: number }
    if ("id" in operation && upload !== undefined) open[open.indexOf(upload)] = { ...upload, offset }
    else if ("repository" in operation) {
      const blob = operation._tag === "MountBlob"
        ? world.blobs.findIndex((bytes) => digestOf(bytes) === operation.digest)
        : script.length % world.blobs.length
      open.push({ name: opens, id: expected.upload, repository: operation.repository, blob, offset })
    }
  }
}

/** Writes the script of a plan. Each operation succeeds if the registry has suitable content, with a few exceptions. */
export const write = ({ before, steps }: Plan, stage: Stage): Script => {
  const writer = new Writer(stage)
  for (const step of before) writer.add(stage.behind, { ...step, aim: "there" })
  for (const step of steps) {
    if (step.aim === "again") writer.repeat(step.choice)
    else writer.add(stage.front, step)
  }
  return writer.script
}

/** Pushes content that other registries of a test may also contain. */
export const fill = (handle: Handler): Effect.Effect<void> =>
  Effect.forEach(world.repositories.slice(1), (repository) => {
    const blobs = world.blobs.map((bytes) =>
      new Operation.PushBlob({ repository, descriptor: Descriptor.fromBytes(bytes), body: Body.bytes(bytes) })
    )
    const manifests = world.manifests.slice(0, 4).map((manifest, index) =>
      new Operation.PushManifest({ repository, ...manifest, tags: world.tags.slice(index, index + 1) })
    )
    return Effect.forEach([...blobs, ...manifests], (operation) => perform(handle, operation))
  }, { discard: true })

type Choose = (count: number) => number

/** Returns pseudo-random numbers, determined by the seed. */
const chooser = (seed: number): Choose => {
  let state = seed >>> 0
  return (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
}

const of = <A>(among: ReadonlyArray<A>, choose: Choose): A => among[choose(among.length)]!

const unopened = "00000000-0000-0000-0000-000000000000"

const make = (
  tag: Operation.OperationTag,
  choose: Choose,
  upload: Open | undefined,
  anything: boolean
): Operation.Operation | undefined => {
  const repository = of(names, choose)
  const blobAt = choose(world.blobs.length)
  const blob = world.blobs[blobAt]!
  const digest = digestOf(blob)
  const manifest = of(pushed, choose)
  const manifestDigest = choose(5) === 0 ? sha512Of(manifest.bytes) : digestOf(manifest.bytes)
  const one = of(world.tags, choose)
  const reference = choose(2) === 0 ? manifestDigest : one
  const maybe = <A>(value: A): A | undefined => choose(2) === 0 ? undefined : value
  const wrong = anything && choose(2) === 0
  const declared = wrong ? digestOf(of(world.blobs, choose)) : digest
  switch (tag) {
    case "ResolveBlob":
      return new Operation.ResolveBlob({ repository, digest })
    case "GetBlob":
      return new Operation.GetBlob({ repository, digest, range: range(choose, blob.byteLength, wrong) })
    case "ResolveManifest":
      return new Operation.ResolveManifest({ repository, reference })
    case "GetManifest":
      return new Operation.GetManifest({ repository, reference })
    case "PushBlob": {
      const descriptor = { mediaType: "application/octet-stream", digest: declared, size: blob.byteLength }
      return new Operation.PushBlob({ repository, descriptor, body: Body.bytes(blob) })
    }
    case "MountBlob":
      return new Operation.MountBlob({ repository, digest, from: choose(8) === 0 ? undefined : of(names, choose) })
    case "StartUpload":
      return new Operation.StartUpload({ repository })
    case "GetUpload":
    case "AppendUpload":
    case "CompleteUpload":
    case "CancelUpload":
      return upload === undefined && !anything ? undefined : inUpload(tag, choose, upload, anything)
    case "PushManifest": {
      const tags = [[], [one], [one, of(world.tags, choose)]][choose(3)]!
      const condition = choose(4) > 0
        ? {}
        : choose(2) === 0
        ? { ifAbsent: true }
        : { ifMatch: digestOf(of(world.manifests, choose).bytes) }
      return new Operation.PushManifest({
        repository,
        ...manifest,
        digest: maybe(wrong ? declared : manifestDigest),
        tags,
        ...condition
      })
    }
    case "DeleteBlob":
      return new Operation.DeleteBlob({ repository, digest })
    case "DeleteManifest":
      return new Operation.DeleteManifest({ repository, digest: manifestDigest })
    case "DeleteTag":
      return new Operation.DeleteTag({ repository, tag: one })
    case "ListRepositories":
      return new Operation.ListRepositories({ last: maybe(repository), limit: maybe(choose(4)) })
    case "ListTags":
      return new Operation.ListTags({ repository, last: maybe(one), limit: maybe(choose(4)) })
    case "ListReferrers":
      return new Operation.ListReferrers({
        repository,
        digest: manifestDigest,
        artifactType: maybe(world.artifactType)
      })
  }
}

const range = (choose: Choose, size: number, wrong: boolean): ByteRange.ByteRange | undefined => {
  if (wrong) return { offset: size }
  const offset = choose(Math.max(1, size))
  return [undefined, { offset }, { offset, length: 1 + choose(size) }, { suffix: 1 + choose(size) }][choose(4)]
}

const inUpload = (
  tag: "GetUpload" | "AppendUpload" | "CompleteUpload" | "CancelUpload",
  choose: Choose,
  upload: Open | undefined,
  anything: boolean
): Operation.Operation => {
  const { blob: at, id, offset: current, repository: opener } = upload ??
    { id: unopened, repository: of(names, choose), blob: 0, offset: 0 }
  const wrong = anything && choose(2) === 0
  // An upload session belongs to one repository only.
  const repository = anything && choose(2) === 0 ? of(names, choose) : opener
  const blob = world.blobs[at]!
  const offset = choose(2) === 0 ? undefined : wrong ? current + 3 : current
  switch (tag) {
    case "GetUpload":
      return new Operation.GetUpload({ repository, id })
    case "AppendUpload": {
      const body = Body.bytes(blob.subarray(current, current + 1 + choose(2000)))
      return new Operation.AppendUpload({ repository, id, offset, body })
    }
    case "CompleteUpload": {
      const digest = digestOf(wrong ? of(world.blobs, choose) : blob)
      return new Operation.CompleteUpload({ repository, id, digest, offset, body: Body.bytes(blob.subarray(current)) })
    }
    case "CancelUpload":
      return new Operation.CancelUpload({ repository, id })
  }
}
