import type { BlobContent, Descriptor, Digest, Middleware, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import { Handler, Operation } from "@effect-oci/core"
import type { Scope, Stream } from "effect"
import { Effect } from "effect"
import { describe, expect, test } from "tstyche"

declare const repository: RepositoryName.RepositoryName
declare const digest: Digest.Digest
declare const handle: Handler.Handler
declare const table: Handler.Table
declare const descriptor: Descriptor.Descriptor

type Failure = RegistryError.RegistryError

describe("a handler", () => {
  test("returns the result type of each operation", () => {
    expect(handle(new Operation.ResolveBlob({ repository, digest }))).type.toBe<
      Effect.Effect<Descriptor.Descriptor, Failure>
    >()
    expect(handle(new Operation.DeleteBlob({ repository, digest }))).type.toBe<
      Effect.Effect<Operation.Done, Failure>
    >()
    expect(handle(new Operation.ListTags({ repository }))).type.toBe<
      Effect.Effect<Stream.Stream<Tag.Tag, Failure>, Failure>
    >()
  })

  test("requires a scope only for the content of a blob", () => {
    expect(handle(new Operation.GetBlob({ repository, digest }))).type.toBe<
      Effect.Effect<BlobContent.BlobContent, Failure, Scope.Scope>
    >()
    const others = (operation: Exclude<Operation.Operation, Operation.GetBlob>) => handle(operation)
    expect<Effect.Effect.Context<ReturnType<typeof others>>>().type.toBe<never>()
    const any = (operation: Operation.Operation) => handle(operation)
    expect<Effect.Effect.Context<ReturnType<typeof any>>>().type.toBe<Scope.Scope>()
  })

  test("accepts only operations", () => {
    type Asked = Operation.Operation
    expect<{ _tag: "DeleteBlob"; repository: typeof repository; digest: typeof digest }>().type.toBeAssignableTo<
      Asked
    >()
    expect<{ _tag: "DeleteBlob"; repository: string; digest: typeof digest }>().type.not.toBeAssignableTo<Asked>()
    expect<{ _tag: "Ping" }>().type.not.toBeAssignableTo<Asked>()
    expect<Parameters<Handler.Handler>>().type.toBe<[operation: Asked]>()
  })
})

/** A result for every operation. */
type Answering<A, E = never, R = never> = (operation: Operation.Operation) => Effect.Effect<A, E, R>

describe("a wrapper", () => {
  test("can pass an operation on", () => {
    const pass = (next: Handler.Handler) => <O extends Operation.Operation>(operation: O) => next(operation)
    expect<typeof pass>().type.toBeAssignableTo<Middleware.Middleware>()
  })

  test("cannot return nothing, or the same result for all operations", () => {
    expect<Answering<undefined>>().type.not.toBeAssignableTo<Handler.Handler>()
    expect<Answering<void>>().type.not.toBeAssignableTo<Handler.Handler>()
    expect<Answering<Operation.Done>>().type.not.toBeAssignableTo<Handler.Handler>()
    expect<Answering<Descriptor.Descriptor>>().type.not.toBeAssignableTo<Handler.Handler>()
    expect<Answering<never>>().type.toBeAssignableTo<Handler.Handler>()
  })

  test("cannot fail with an error that is not a RegistryError", () => {
    expect<Answering<never, string>>().type.not.toBeAssignableTo<Handler.Handler>()
    expect<Answering<never, RegistryError.Refused>>().type.toBeAssignableTo<Handler.Handler>()
  })

  test("cannot require a service from its caller", () => {
    expect<Answering<never, never, Scope.Scope>>().type.not.toBeAssignableTo<Handler.Handler>()
  })
})

describe("Handler.fromTable", () => {
  test("requires a row for each operation", () => {
    const { DeleteTag: _, ...missing } = table
    expect(Handler.fromTable).type.toBeCallableWith(table)
    expect(Handler.fromTable).type.not.toBeCallableWith(missing)
    expect(Handler.fromTable).type.not.toBeCallableWith({})
  })

  test("refuses a row that returns nothing, or the result of another operation", () => {
    expect(Handler.fromTable).type.not.toBeCallableWith({ ...table, DeleteTag: () => Effect.void })
    expect(Handler.fromTable).type.not.toBeCallableWith({ ...table, ResolveBlob: () => Effect.succeed(Operation.done) })
    expect(Handler.fromTable).type.toBeCallableWith({ ...table, DeleteTag: () => Effect.succeed(Operation.done) })
  })

  test("allows a scope only where content stays open", () => {
    const scoped = <A>(value: A) => Effect.as(Effect.scope, value)
    const content = {} as BlobContent.BlobContent
    expect(Handler.fromTable).type.toBeCallableWith({ ...table, GetBlob: () => scoped(content) })
    expect(Handler.fromTable).type.not.toBeCallableWith({ ...table, ResolveBlob: () => scoped(descriptor) })
  })

  test("passes each row its own operation type", () => {
    expect<Parameters<Handler.Table["DeleteTag"]>[0]>().type.toBe<Operation.DeleteTag>()
  })
})

describe("Handler.wrap", () => {
  const { DeleteTag: _, ...others } = table
  const done = () => Effect.succeed(Operation.done)

  test("requires a row for each operation, its own or forwarded", () => {
    expect(Handler.wrap).type.toBeCallableWith(handle, table)
    expect(Handler.wrap).type.toBeCallableWith(handle, { ...others, ...Handler.forward("DeleteTag") })
    expect(Handler.wrap).type.not.toBeCallableWith(handle, others)
    expect(Handler.wrap).type.not.toBeCallableWith(handle, { ...others, ...Handler.forward("DeleteBlob") })
    expect(Handler.forward).type.not.toBeCallableWith("DeleteTags")
  })

  test("refuses a row that returns nothing, or the result of another operation", () => {
    expect(Handler.wrap).type.toBeCallableWith(handle, { ...others, DeleteTag: done })
    expect(Handler.wrap).type.not.toBeCallableWith(handle, { ...others, DeleteTag: () => Effect.void })
    expect(Handler.wrap).type.not.toBeCallableWith(handle, { ...others, ListTags: done })
  })

  test("infers the operation of a row", () => {
    Handler.wrap(handle, {
      ...others,
      DeleteTag: (operation) => {
        expect(operation).type.toBe<Operation.DeleteTag>()
        return handle(operation)
      }
    })
  })
})

describe("Handler.override", () => {
  test("accepts rows of any existing operations", () => {
    expect(Handler.override).type.toBeCallableWith(handle, {})
    expect(Handler.override).type.toBeCallableWith(handle, { DeleteTag: () => Effect.succeed(Operation.done) })
    expect(Handler.override).type.not.toBeCallableWith(handle, { DeleteTag: () => Effect.void })
    expect(Handler.override).type.not.toBeCallableWith(handle, { DeleteTags: () => Effect.succeed(Operation.done) })
    expect(Handler.override(handle, {})).type.toBe<Handler.Handler>()
  })
})
