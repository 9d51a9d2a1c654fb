import type { AuthScope, BlobContent, Descriptor, Digest, Manifest, RepositoryName, Tag } from "@effect-oci/core"
import { Operation } from "@effect-oci/core"
import type { Scope } from "effect"
import { pipe } from "effect"
import { describe, expect, test } from "tstyche"

declare const repository: RepositoryName.RepositoryName
declare const digest: Digest.Digest
declare const tag: Tag.Tag
declare const operation: Operation.Operation

describe("an operation", () => {
  test("takes names that were read, and no other text", () => {
    expect(Operation.GetBlob).type.toBeConstructableWith({ repository, digest })
    expect(Operation.GetBlob).type.not.toBeConstructableWith({ repository: "team/app", digest })
    expect(Operation.GetBlob).type.not.toBeConstructableWith({ repository, digest: "sha256:00" })
    expect(Operation.GetBlob).type.not.toBeConstructableWith({ repository: tag, digest })
    expect(Operation.DeleteTag).type.not.toBeConstructableWith({ repository, tag: "v1" })
    expect(Operation.DeleteTag).type.not.toBeConstructableWith({ repository, tag: digest })
    expect(Operation.GetManifest).type.toBeConstructableWith({ repository, reference: tag })
    expect(Operation.GetManifest).type.toBeConstructableWith({ repository, reference: digest })
    expect(Operation.GetManifest).type.not.toBeConstructableWith({ repository, reference: "v1" })
  })

  test("takes all of its fields", () => {
    expect(Operation.GetBlob).type.not.toBeConstructableWith({ repository })
    expect(Operation.PushBlob).type.not.toBeConstructableWith({ repository, digest })
    expect(Operation.ListRepositories).type.toBeConstructableWith({})
  })

  test("cannot be changed", () => {
    expect<Omit<Operation.GetUpload, "_tag">>().type.toBe<
      { readonly repository: RepositoryName.RepositoryName; readonly id: string }
    >()
  })
})

describe("what an operation means", () => {
  test("is said of each one: a table without a row is none", () => {
    type Table = typeof Operation.traits
    expect<Table>().type.toBeAssignableTo<Table>()
    expect<Omit<Table, "GetBlob">>().type.not.toBeAssignableTo<Table>()
    expect<Table>().type.toBe<{ readonly [T in Operation.OperationTag]: Operation.Trait<Operation.OperationOf<T>> }>()
  })

  test("is said in full", () => {
    type Trait = Operation.Trait<Operation.GetBlob>
    expect<Omit<Trait, "access">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "repeat">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "repositories">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "requiredScope">>().type.not.toBeAssignableTo<Trait>()
    expect(Operation.requiredScope(operation)).type.toBe<AuthScope.AuthScope>()
  })

  test("has a name for each operation and for no more", () => {
    expect<Operation.Operation["_tag"]>().type.toBe<Operation.OperationTag>()
    expect<keyof Operation.Results>().type.toBe<Operation.OperationTag>()
  })
})

describe("Operation.ResultOf", () => {
  test("is inferred for each operation", () => {
    expect<Operation.ResultOf<Operation.GetBlob>>().type.toBe<BlobContent.BlobContent>()
    expect<Operation.ResultOf<Operation.GetManifest>>().type.toBe<Manifest.Manifest>()
    expect<Operation.ResultOf<Operation.MountBlob>>().type.toBe<Operation.Mounted | Operation.UploadStarted>()
    expect<Operation.ResultOf<Operation.ResolveBlob | Operation.DeleteTag>>().type.toBe<
      Descriptor.Descriptor | Operation.Done
    >()
  })

  test("is never nothing", () => {
    expect<undefined>().type.not.toBeAssignableTo<Operation.ResultOf<Operation.Operation>>()
    expect<void>().type.not.toBeAssignableTo<Operation.ResultOf<Operation.DeleteBlob>>()
  })
})

describe("Operation.ScopeOf", () => {
  test("is a scope for the content of a blob, and for what may be that", () => {
    expect<Operation.ScopeOf<Operation.GetBlob>>().type.toBe<Scope.Scope>()
    expect<Operation.ScopeOf<Operation.GetBlob | Operation.DeleteBlob>>().type.toBe<Scope.Scope>()
    expect<Operation.ScopeOf<Operation.Operation>>().type.toBe<Scope.Scope>()
  })

  test("is none for all the rest", () => {
    expect<Operation.ScopeOf<Exclude<Operation.Operation, Operation.GetBlob>>>().type.toBe<never>()
  })
})

describe("Operation.match", () => {
  type Cases<A> = { readonly [T in Operation.OperationTag]: (operation: Operation.OperationOf<T>) => A }
  const cases = {} as Cases<number>
  const { DeleteTag: _, ...missing } = cases

  test("answers what its cases do", () => {
    expect(Operation.match(operation, cases)).type.toBe<number>()
    expect(pipe(operation, Operation.match(cases))).type.toBe<number>()
  })

  test("takes a case for each operation, and nothing less", () => {
    expect(Operation.match).type.toBeCallableWith(operation, cases)
    expect(Operation.match).type.not.toBeCallableWith(operation, missing)
    expect(Operation.match).type.not.toBeCallableWith(missing)
  })

  test("gives each case its own operation", () => {
    expect<Parameters<Cases<number>["DeleteTag"]>[0]>().type.toBe<Operation.DeleteTag>()
    expect(Operation.match).type.not.toBeCallableWith(operation, {
      ...cases,
      DeleteTag: (deletes: Operation.DeleteBlob) => deletes.digest.length
    })
  })
})

describe("Operation.mapRepositories", () => {
  test("keeps the type of its operation", () => {
    const get = new Operation.GetBlob({ repository, digest })
    expect(Operation.mapRepositories(get, (name) => name)).type.toBe<Operation.GetBlob>()
    expect(pipe(get, Operation.mapRepositories((name) => name))).type.toBe<Operation.GetBlob>()
  })

  test("takes no function to other text", () => {
    expect(Operation.mapRepositories).type.toBeCallableWith(operation, (name: RepositoryName.RepositoryName) => name)
    expect(Operation.mapRepositories).type.not.toBeCallableWith(operation, (name: string) => `prefix/${name}`)
  })
})

describe("Operation.withUploadId", () => {
  test("takes operations on uploads alone", () => {
    expect(Operation.withUploadId(new Operation.GetUpload({ repository, id: "1" }), "2")).type.toBe<
      Operation.GetUpload
    >()
    expect(Operation.withUploadId).type.toBeCallableWith(new Operation.CancelUpload({ repository, id: "1" }), "2")
    expect(Operation.withUploadId).type.not.toBeCallableWith(new Operation.GetBlob({ repository, digest }), "2")
  })
})
