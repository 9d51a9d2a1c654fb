import { describe, expect, it } from "@effect/vitest"
import { Equal, pipe, Stream } from "effect"
import * as AuthScope from "../src/AuthScope.js"
import * as Body from "../src/Body.js"
import * as ByteRange from "../src/ByteRange.js"
import * as Digest from "../src/Digest.js"
import * as Operation from "../src/Operation.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as Tag from "../src/Tag.js"

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const repository = RepositoryName.make("team/app")
const from = RepositoryName.make("team/base")
const digest = Digest.fromBytes(text("content"))
const tag = Tag.make("v1")
const body = Body.bytes(text("content"))
const oneShot = Body.stream(Stream.make(text("content")))
const descriptor = { mediaType: "application/octet-stream", digest, size: 7 }
const id = "upload-1"

/**
 * The traits of each operation, by the authentication and distribution specs: an operation with every field, its facet,
 * the repositories it uses, the required scope, whether it may be sent again, and what an error names.
 */
const golden: {
  readonly [T in Operation.OperationTag]: {
    readonly operation: Operation.OperationOf<T>
    readonly access: Operation.Access
    readonly touched: ReadonlyArray<string>
    readonly scope: string
    readonly repeat: "safe" | "idempotent" | "once"
    readonly reference: string | undefined
  }
} = {
  ResolveBlob: {
    operation: new Operation.ResolveBlob({ repository, digest }),
    access: "read",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: digest
  },
  GetBlob: {
    operation: new Operation.GetBlob({ repository, digest, range: ByteRange.from(1) }),
    access: "read",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: digest
  },
  ResolveManifest: {
    operation: new Operation.ResolveManifest({ repository, reference: tag }),
    access: "read",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: tag
  },
  GetManifest: {
    operation: new Operation.GetManifest({ repository, reference: digest }),
    access: "read",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: digest
  },
  PushBlob: {
    operation: new Operation.PushBlob({ repository, descriptor, body }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "idempotent",
    reference: digest
  },
  MountBlob: {
    operation: new Operation.MountBlob({ repository, digest, from }),
    access: "write",
    touched: ["team/app push", "team/base pull"],
    scope: "repository:team/app:pull,push repository:team/base:pull",
    repeat: "idempotent",
    reference: digest
  },
  StartUpload: {
    operation: new Operation.StartUpload({ repository, algorithm: "sha512" }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "idempotent",
    reference: undefined
  },
  GetUpload: {
    operation: new Operation.GetUpload({ repository, id }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "safe",
    reference: undefined
  },
  AppendUpload: {
    operation: new Operation.AppendUpload({ repository, id, offset: 7, body }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "once",
    reference: undefined
  },
  CompleteUpload: {
    operation: new Operation.CompleteUpload({ repository, id, digest, offset: 7, body }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "once",
    reference: digest
  },
  CancelUpload: {
    operation: new Operation.CancelUpload({ repository, id }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "idempotent",
    reference: undefined
  },
  PushManifest: {
    operation: new Operation.PushManifest({
      repository,
      mediaType: "application/json",
      bytes: text("{}"),
      digest,
      tags: [tag],
      ifAbsent: true
    }),
    access: "write",
    touched: ["team/app push"],
    scope: "repository:team/app:pull,push",
    repeat: "idempotent",
    reference: digest
  },
  DeleteBlob: {
    operation: new Operation.DeleteBlob({ repository, digest }),
    access: "delete",
    touched: ["team/app delete"],
    scope: "repository:team/app:delete",
    repeat: "idempotent",
    reference: digest
  },
  DeleteManifest: {
    operation: new Operation.DeleteManifest({ repository, digest }),
    access: "delete",
    touched: ["team/app delete"],
    scope: "repository:team/app:delete",
    repeat: "idempotent",
    reference: digest
  },
  DeleteTag: {
    operation: new Operation.DeleteTag({ repository, tag }),
    access: "delete",
    touched: ["team/app delete"],
    scope: "repository:team/app:delete",
    repeat: "idempotent",
    reference: tag
  },
  ListRepositories: {
    operation: new Operation.ListRepositories({ last: repository, limit: 1 }),
    access: "list",
    touched: [],
    scope: "registry:catalog:*",
    repeat: "safe",
    reference: undefined
  },
  ListTags: {
    operation: new Operation.ListTags({ repository, last: tag, limit: 1 }),
    access: "list",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: undefined
  },
  ListReferrers: {
    operation: new Operation.ListReferrers({ repository, digest, artifactType: "application/x" }),
    access: "list",
    touched: ["team/app pull"],
    scope: "repository:team/app:pull",
    repeat: "safe",
    reference: digest
  }
}

interface Row {
  readonly name: string
  readonly operation: Operation.Operation
  readonly access: Operation.Access
  readonly touched: ReadonlyArray<string>
  readonly scope: string
  readonly repeat: string
  readonly reference: string | undefined
}

const rows = Object.entries(golden).map(([name, row]): Row => Object.assign({ name }, row))

describe("the traits of an operation", () => {
  it("exist for every operation, in the order pull, push, delete, list", () => {
    expect(Object.keys(Operation.traits)).toEqual(Object.keys(golden))
  })

  it.each(rows)("$name", ({ access, name, operation, reference, repeat, scope, touched }) => {
    expect({
      name: operation._tag,
      access: Operation.access(operation),
      read: Operation.isRead(operation),
      touched: Operation.repositories(operation).map(({ action, repository }) => `${repository} ${action}`),
      scope: AuthScope.format(Operation.requiredScope(operation)),
      repeat: Operation.traits[operation._tag].repeat,
      repeatable: Operation.isRepeatable(operation),
      errorFields: Operation.errorFields(operation)
    }).toEqual({
      name,
      access,
      read: access === "read" || access === "list",
      touched,
      scope,
      repeat,
      repeatable: repeat !== "once",
      errorFields: {
        operation: name,
        repository: operation._tag === "ListRepositories" ? undefined : repository,
        reference
      }
    })
  })

  it.each([
    { name: "a mount from nowhere", operation: new Operation.MountBlob({ repository, digest }), touched: 1 },
    {
      name: "a mount from undefined",
      operation: new Operation.MountBlob({ repository, digest, from: undefined }),
      touched: 1
    }
  ])("$name touches no other repository", ({ operation, touched }) => {
    expect(Operation.repositories(operation)).toHaveLength(touched)
    expect(AuthScope.format(Operation.requiredScope(operation))).toBe("repository:team/app:pull,push")
  })

  it("a mount within one repository requires the same scope as a push", () => {
    const operation = new Operation.MountBlob({ repository, digest, from: repository })
    expect(AuthScope.format(Operation.requiredScope(operation))).toBe("repository:team/app:pull,push")
  })
})

describe("Operation.isRepeatable", () => {
  it.each([
    { name: "a push of a body that can be run again", operation: golden.PushBlob.operation, repeatable: true },
    {
      name: "a push of one that cannot",
      operation: new Operation.PushBlob({ repository, descriptor, body: oneShot }),
      repeatable: false
    },
    { name: "a manifest", operation: golden.PushManifest.operation, repeatable: true },
    {
      name: "the end of an upload without a body",
      operation: new Operation.CompleteUpload({ repository, id, digest }),
      repeatable: false
    }
  ])("$name: $repeatable", ({ operation, repeatable }) => {
    expect(Operation.isRepeatable(operation)).toBe(repeatable)
  })
})

describe("Operation.bodyOf", () => {
  it.each(rows)("$name", ({ name, operation }) => {
    expect(Operation.bodyOf(operation)).toBe(
      ["PushBlob", "AppendUpload", "CompleteUpload"].includes(name) ? body : undefined
    )
  })

  it("returns undefined for the completion of an upload without a body", () => {
    expect(Operation.bodyOf(new Operation.CompleteUpload({ repository, id, digest }))).toBeUndefined()
  })
})

describe("Operation.errorFields", () => {
  it.each([
    { name: "by its digest", digest, tags: [tag], reference: digest },
    { name: "by its first tag where it has no digest", digest: undefined, tags: [tag, Tag.make("v2")], reference: tag },
    { name: "by nothing where it has neither", digest: undefined, tags: [], reference: undefined }
  ])("name a manifest that is pushed $name", ({ digest, reference, tags }) => {
    const operation = new Operation.PushManifest({ repository, mediaType: "", bytes: text(""), digest, tags })
    expect(Operation.errorFields(operation).reference).toBe(reference)
  })
})

describe("Operation.isDigest", () => {
  it("distinguishes a digest from a tag", () => {
    expect([Operation.isDigest(digest), Operation.isDigest(tag), Operation.isDigest(Tag.make("sha256-00"))]).toEqual([
      true,
      false,
      false
    ])
  })
})

describe("Operation.match", () => {
  const names: { readonly [T in Operation.OperationTag]: (operation: Operation.OperationOf<T>) => string } = {
    ResolveBlob: ({ _tag }) => _tag,
    GetBlob: ({ _tag }) => _tag,
    ResolveManifest: ({ _tag }) => _tag,
    GetManifest: ({ _tag }) => _tag,
    PushBlob: ({ _tag }) => _tag,
    MountBlob: ({ _tag }) => _tag,
    StartUpload: ({ _tag }) => _tag,
    GetUpload: ({ _tag }) => _tag,
    AppendUpload: ({ _tag }) => _tag,
    CompleteUpload: ({ _tag }) => _tag,
    CancelUpload: ({ _tag }) => _tag,
    PushManifest: ({ _tag }) => _tag,
    DeleteBlob: ({ _tag }) => _tag,
    DeleteManifest: ({ _tag }) => _tag,
    DeleteTag: ({ _tag }) => _tag,
    ListRepositories: ({ _tag }) => _tag,
    ListTags: ({ _tag }) => _tag,
    ListReferrers: ({ _tag }) => _tag
  }

  it.each(rows)("$name", ({ name, operation }) => {
    expect(Operation.match(operation, names)).toBe(name)
    expect(pipe(operation, Operation.match(names))).toBe(name)
  })
})

describe("Operation.mapRepositories", () => {
  const under = (name: RepositoryName.RepositoryName) => RepositoryName.make(`under/${name}`)

  it.each(rows)("maps every repository in $name", ({ operation }) => {
    const mapped = Operation.mapRepositories(operation, under)
    const names = (text: string) => text.replaceAll("team/", "under/team/")
    expect(mapped.constructor).toBe(operation.constructor)
    expect({ ...mapped }).toEqual({
      ...operation,
      ...("repository" in operation ? { repository: "under/team/app" } : {}),
      ...("from" in operation ? { from: "under/team/base" } : {}),
      ...(operation._tag === "ListRepositories" ? { last: "under/team/app" } : {})
    })
    expect(JSON.stringify(Operation.repositories(mapped))).toBe(
      names(JSON.stringify(Operation.repositories(operation)))
    )
    expect(Equal.equals(mapped, Operation.mapRepositories(under)(operation))).toBe(true)
    expect(Equal.equals(mapped, operation)).toBe(false)
  })

  it("adds no fields", () => {
    expect(Object.keys(Operation.mapRepositories(new Operation.ListRepositories({}), under))).toEqual(["_tag"])
    expect(Object.keys(Operation.mapRepositories(new Operation.MountBlob({ repository, digest }), under))).not
      .toContain("from")
  })
})

describe("Operation.uploadInstead", () => {
  it.each(
    [
      [digest, undefined],
      [Digest.fromBytes(text("content"), "sha512"), "sha512"]
    ] as const
  )("starts an upload where a mount was wanted: %s", (digest, algorithm) => {
    const mount = new Operation.MountBlob({ repository, digest, from })
    expect(Operation.uploadInstead(mount)).toEqual(new Operation.StartUpload({ repository, algorithm }))
  })
})

describe("Operation.equivalence", () => {
  const push = (fields: Partial<Operation.PushManifest>) =>
    new Operation.PushManifest({ repository, mediaType: "application/json", bytes: text("{}"), tags: [tag], ...fields })
  const blob = (fields: Partial<Operation.PushBlob>) =>
    new Operation.PushBlob({ repository, descriptor, body, ...fields })

  const same: ReadonlyArray<{
    readonly name: string
    readonly a: Operation.Operation
    readonly b: Operation.Operation
  }> = [
    {
      name: "an absent field is one that is undefined",
      a: new Operation.GetBlob({ repository, digest }),
      b: new Operation.GetBlob({ repository, digest, range: undefined })
    },
    {
      name: "and so it is further in",
      a: new Operation.GetBlob({ repository, digest, range: { offset: 1 } }),
      b: new Operation.GetBlob({ repository, digest, range: { offset: 1, length: undefined } })
    },
    { name: "bytes are the same by content", a: push({}), b: push({ bytes: text("{}") }) },
    { name: "bodies in memory are compared by content", a: blob({}), b: blob({ body: Body.bytes(text("content")) }) },
    { name: "other bodies are the same as themselves", a: blob({ body: oneShot }), b: blob({ body: oneShot }) },
    {
      name: "annotations may be called like fields",
      a: blob({ descriptor: { ...descriptor, annotations: { body: "x", bytes: "y" } } }),
      b: blob({ descriptor: { ...descriptor, annotations: { bytes: "y", body: "x" } } })
    }
  ]
  it.each(same)("is true: $name", ({ a, b }) => {
    expect(Operation.equivalence(a, b)).toBe(true)
    expect(Operation.equivalence(b, a)).toBe(true)
  })

  const different: typeof same = [
    { name: "another operation", a: golden.ResolveBlob.operation, b: new Operation.GetBlob({ repository, digest }) },
    {
      name: "another repository",
      a: golden.ResolveBlob.operation,
      b: new Operation.ResolveBlob({ repository: from, digest })
    },
    { name: "a field that only one has", a: push({}), b: push({ digest }) },
    { name: "a flag that is down", a: push({}), b: push({ ifAbsent: false }) },
    { name: "other bytes", a: push({}), b: push({ bytes: text("[]") }) },
    { name: "more bytes", a: push({}), b: push({ bytes: text("{} ") }) },
    {
      name: "another order of tags",
      a: push({ tags: [tag, Tag.make("v2")] }),
      b: push({ tags: [Tag.make("v2"), tag] })
    },
    { name: "fewer tags", a: push({}), b: push({ tags: [] }) },
    { name: "another body", a: blob({}), b: blob({ body: Body.bytes(text("contents")) }) },
    { name: "bytes and a stream", a: blob({}), b: blob({ body: oneShot }) },
    {
      name: "two streams, whatever is in them",
      a: blob({ body: oneShot }),
      b: blob({ body: Body.stream(Stream.make(text("content"))) })
    },
    {
      name: "a body and none",
      a: new Operation.CompleteUpload({ repository, id, digest, body }),
      b: new Operation.CompleteUpload({ repository, id, digest })
    },
    {
      name: "an annotation called like a field",
      a: blob({ descriptor: { ...descriptor, annotations: { body: "x" } } }),
      b: blob({ descriptor: { ...descriptor, annotations: { body: "y" } } })
    }
  ]
  it.each(different)("is false: $name", ({ a, b }) => {
    expect(Operation.equivalence(a, b)).toBe(false)
    expect(Operation.equivalence(b, a)).toBe(false)
  })
})

describe("Operation.withUploadId", () => {
  const uploads = [
    golden.GetUpload.operation,
    golden.AppendUpload.operation,
    golden.CompleteUpload.operation,
    golden.CancelUpload.operation
  ]
  it.each(uploads)("changes only the id of $_tag", (operation) => {
    const renamed = Operation.withUploadId(operation, "upload-2")
    expect(renamed.constructor).toBe(operation.constructor)
    expect({ ...renamed }).toEqual({ ...operation, id: "upload-2" })
    expect(Equal.equals(Operation.withUploadId(id)(renamed), operation)).toBe(true)
  })
})

describe("the results of operations", () => {
  it("are values", () => {
    expect(Equal.equals(new Operation.Done(), Operation.done)).toBe(true)
    expect(Equal.equals(new Operation.Mounted({ digest }), new Operation.Mounted({ digest }))).toBe(true)
  })
})
