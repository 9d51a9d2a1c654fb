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
  test("accepts only parsed names, and no plain text", () => {
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

  test("requires all of its fields", () => {
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

describe("the traits of an operation", () => {
  test("must have a row for each operation", () => {
    type Table = typeof Operation.traits
    expect<Table>().type.toBeAssignableTo<Table>()
    expect<Omit<Table, "GetBlob">>().type.not.toBeAssignableTo<Table>()
    expect<Table>().type.toBe<{ readonly [T in Operation.OperationTag]: Operation.Trait<Operation.OperationOf<T>> }>()
  })

  test("must be complete", () => {
    type Trait = Operation.Trait<Operation.GetBlob>
    expect<Omit<Trait, "access">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "repeat">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "repositories">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "requiredScope">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "shape">>().type.not.toBeAssignableTo<Trait>()
    expect<Omit<Trait, "reference">>().type.not.toBeAssignableTo<Trait>()
    expect(Operation.requiredScope(operation)).type.toBe<AuthScope.AuthScope>()
  })

  test("name every field with a repository, and the shape of the result", () => {
    type Repositories<O extends Operation.Operation> = keyof Operation.Trait<O>["repositories"]
    expect<Repositories<Operation.GetBlob>>().type.toBe<"repository">()
    expect<Repositories<Operation.MountBlob>>().type.toBe<"repository" | "from">()
    expect<Repositories<Operation.ListRepositories>>().type.toBe<"last">()
    expect<Operation.ShapeOf<Operation.GetBlob>>().type.toBe<"content">()
    expect<Operation.ShapeOf<Operation.ListTags>>().type.toBe<"list">()
    expect<Operation.ShapeOf<Operation.MountBlob>>().type.toBe<"value">()
    expect<Operation.WithShape<"content">>().type.toBe<Operation.GetBlob>()
  })

  test("OperationTag contains exactly the names of the operations", () => {
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

  test("is never void", () => {
    expect<undefined>().type.not.toBeAssignableTo<Operation.ResultOf<Operation.Operation>>()
    expect<void>().type.not.toBeAssignableTo<Operation.ResultOf<Operation.DeleteBlob>>()
  })
})

describe("Operation.ScopeOf", () => {
  test("is a scope for the content of a blob, and for a union that includes it", () => {
    expect<Operation.ScopeOf<Operation.GetBlob>>().type.toBe<Scope.Scope>()
    expect<Operation.ScopeOf<Operation.GetBlob | Operation.DeleteBlob>>().type.toBe<Scope.Scope>()
    expect<Operation.ScopeOf<Operation.Operation>>().type.toBe<Scope.Scope>()
  })

  test("is never for all other operations", () => {
    expect<Operation.ScopeOf<Exclude<Operation.Operation, Operation.GetBlob>>>().type.toBe<never>()
  })
})

describe("Operation.match", () => {
  type Cases<A> = { readonly [T in Operation.OperationTag]: (operation: Operation.OperationOf<T>) => A }
  const cases = {} as Cases<number>
  const { DeleteTag: _, ...missing } = cases

  test("returns what its cases return", () => {
    expect(Operation.match(operation, cases)).type.toBe<number>()
    expect(pipe(operation, Operation.match(cases))).type.toBe<number>()
  })

  test("requires a case for each operation", () => {
    expect(Operation.match).type.toBeCallableWith(operation, cases)
    expect(Operation.match).type.not.toBeCallableWith(operation, missing)
    expect(Operation.match).type.not.toBeCallableWith(missing)
  })

  test("passes each case its own operation type", () => {
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

  test("refuses a function that returns plain text", () => {
    expect(Operation.mapRepositories).type.toBeCallableWith(operation, (name: RepositoryName.RepositoryName) => name)
    expect(Operation.mapRepositories).type.not.toBeCallableWith(operation, (name: string) => `prefix/${name}`)
  })
})

describe("Operation.mapBody and Operation.matchShape", () => {
  test("take their operation first or last", () => {
    const get = new Operation.GetBlob({ repository, digest })
    const shapes = { value: () => 1, content: () => 2, list: () => 3 }
    expect(Operation.mapBody(get, (body) => body)).type.toBe<Operation.GetBlob>()
    expect(pipe(get, Operation.mapBody((body) => body))).type.toBe<Operation.GetBlob>()
    expect(Operation.matchShape(get, shapes)).type.toBe<number>()
    expect(pipe(operation, Operation.matchShape(shapes))).type.toBe<number>()
  })
})

describe("Operation.withUploadId", () => {
  test("accepts only operations on upload sessions", () => {
    expect(Operation.withUploadId(new Operation.GetUpload({ repository, id: "1" }), "2")).type.toBe<
      Operation.GetUpload
    >()
    expect(Operation.withUploadId).type.toBeCallableWith(new Operation.CancelUpload({ repository, id: "1" }), "2")
    expect(Operation.withUploadId).type.not.toBeCallableWith(new Operation.GetBlob({ repository, digest }), "2")
  })
})
