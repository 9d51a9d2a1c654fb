import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Digest from "../src/Digest.js"
import * as Handler from "../src/Handler.js"
import * as Operation from "../src/Operation.js"
import { Refused, Unsupported } from "../src/RegistryError.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as Tag from "../src/Tag.js"

const repository = RepositoryName.make("team/app")
const digest = Digest.fromBytes(new Uint8Array(0))

const unsupported = (operation: Operation.Operation) => Effect.fail(new Unsupported(Operation.errorFields(operation)))

/** A registry that fails every operation with an error that names the operation. */
const table: Handler.Table = {
  ResolveBlob: unsupported,
  GetBlob: unsupported,
  ResolveManifest: unsupported,
  GetManifest: unsupported,
  PushBlob: unsupported,
  MountBlob: unsupported,
  StartUpload: unsupported,
  GetUpload: unsupported,
  AppendUpload: unsupported,
  CompleteUpload: unsupported,
  CancelUpload: unsupported,
  PushManifest: unsupported,
  DeleteBlob: unsupported,
  DeleteManifest: unsupported,
  DeleteTag: unsupported,
  ListRepositories: unsupported,
  ListTags: unsupported,
  ListReferrers: unsupported
}

const deleteBlob = new Operation.DeleteBlob({ repository, digest })
const deleteTag = new Operation.DeleteTag({ repository, tag: Tag.make("v1") })

describe("Handler.fromTable", () => {
  it.effect.each(Object.keys(table) as ReadonlyArray<Operation.OperationTag>)(
    "handles %s with its row",
    (tag) =>
      Effect.gen(function*() {
        const operation = { _tag: tag } as Operation.Operation
        const row = (given: Operation.Operation) => {
          expect(given).toBe(operation)
          return Effect.fail(new Refused({ by: tag }))
        }
        const exit = yield* Effect.exit(
          Handler.fromTable({ ...table, [tag]: row })(operation) as Effect.Effect<never, Refused>
        )
        expect(exit).toEqual(Exit.fail(new Refused({ by: tag })))
      })
  )

  it("returns the effect of a row unchanged", () => {
    const done = Effect.succeed(Operation.done)
    expect(Handler.fromTable({ ...table, DeleteBlob: () => done })(deleteBlob)).toBe(done)
  })
})

describe("Handler.wrap", () => {
  it.effect("handles its own rows and passes the forwarded operations unchanged", () =>
    Effect.gen(function*() {
      const { DeleteBlob: _, ...others } = table
      const passed: Array<Operation.Operation> = []
      const next: Handler.Handler = (operation) => {
        passed.push(operation)
        return Effect.fail(new Refused({ by: "next" }))
      }
      const wrapped = Handler.wrap(next, { ...others, ...Handler.forward("DeleteBlob") })
      expect(yield* Effect.flip(wrapped(deleteBlob))).toMatchObject({ by: "next" })
      expect(yield* Effect.flip(wrapped(deleteTag))).toMatchObject({ _tag: "OciUnsupported" })
      expect(passed).toStrictEqual([deleteBlob])
    }))

  it("keeps the mark of what it wraps", () => {
    const marked = Handler.dependingOnCaller(Handler.fromTable(table))
    expect(Handler.dependsOnCaller(Handler.wrap(marked, table))).toBe(true)
    expect(Handler.dependsOnCaller(Handler.wrap(Handler.fromTable(table), table))).toBe(false)
  })
})

describe("Handler.override", () => {
  const next = Handler.fromTable(table)

  it.effect("handles the operations in its rows, and passes the others to the next handler", () =>
    Effect.gen(function*() {
      const handler = Handler.override(next, {
        DeleteBlob: (operation) => Effect.fail(new Refused({ by: operation.digest }))
      })
      expect(yield* Effect.flip(handler(deleteBlob))).toEqual(new Refused({ by: digest }))
      expect(yield* Effect.flip(handler(deleteTag))).toEqual(new Unsupported(Operation.errorFields(deleteTag)))
    }))

  it.effect("a row can call the next handler", () =>
    Effect.gen(function*() {
      const handler = Handler.override(next, {
        DeleteBlob: (operation) =>
          Effect.catchTag(next(operation), "OciUnsupported", () => Effect.succeed(Operation.done))
      })
      expect(yield* handler(deleteBlob)).toBe(Operation.done)
    }))

  it("without rows passes all operations on unchanged", () => {
    const answer = Effect.succeed(Operation.done)
    const constant = Handler.fromTable({ ...table, DeleteTag: () => answer })
    expect(Handler.override(constant, {})(deleteTag)).toBe(answer)
  })
})
