/** Every operation with the grant that it requires, and common grants with the operations that they allow. */
import { Body, Digest, Operation, RepositoryName, Tag } from "@effect-oci/core"

export const repository = RepositoryName.make("team/app")
export const source = RepositoryName.make("team/base")
const bytes = new TextEncoder().encode("{}")
export const digest = Digest.fromBytes(bytes)
const tag = Tag.make("v1")
const body = Body.bytes(bytes)
const descriptor = { mediaType: "application/octet-stream", digest, size: 2 }
const id = "upload"

/** The grant that each operation requires. A missing operation is a type error. */
export const rows: {
  readonly [T in Operation.OperationTag]: {
    readonly operation: Operation.OperationOf<T>
    readonly needs: "pull" | "push" | "delete" | "catalog"
  }
} = {
  ResolveBlob: { operation: new Operation.ResolveBlob({ repository, digest }), needs: "pull" },
  GetBlob: { operation: new Operation.GetBlob({ repository, digest }), needs: "pull" },
  ResolveManifest: { operation: new Operation.ResolveManifest({ repository, reference: tag }), needs: "pull" },
  GetManifest: { operation: new Operation.GetManifest({ repository, reference: tag }), needs: "pull" },
  PushBlob: { operation: new Operation.PushBlob({ repository, descriptor, body }), needs: "push" },
  MountBlob: { operation: new Operation.MountBlob({ repository, digest, from: repository }), needs: "push" },
  StartUpload: { operation: new Operation.StartUpload({ repository }), needs: "push" },
  GetUpload: { operation: new Operation.GetUpload({ repository, id }), needs: "push" },
  AppendUpload: { operation: new Operation.AppendUpload({ repository, id, offset: 0, body }), needs: "push" },
  CompleteUpload: { operation: new Operation.CompleteUpload({ repository, id, digest }), needs: "push" },
  CancelUpload: { operation: new Operation.CancelUpload({ repository, id }), needs: "push" },
  PushManifest: {
    operation: new Operation.PushManifest({ repository, mediaType: "application/json", bytes, tags: [tag] }),
    needs: "push"
  },
  DeleteBlob: { operation: new Operation.DeleteBlob({ repository, digest }), needs: "delete" },
  DeleteManifest: { operation: new Operation.DeleteManifest({ repository, digest }), needs: "delete" },
  DeleteTag: { operation: new Operation.DeleteTag({ repository, tag }), needs: "delete" },
  ListRepositories: { operation: new Operation.ListRepositories({}), needs: "catalog" },
  ListTags: { operation: new Operation.ListTags({ repository }), needs: "pull" },
  ListReferrers: { operation: new Operation.ListReferrers({ repository, digest }), needs: "pull" }
}

export type Needs = (typeof rows)[Operation.OperationTag]["needs"]

/** Grants, as scopes, and what each of them allows. */
export const grants: ReadonlyArray<readonly [scope: string, allows: ReadonlyArray<Needs>]> = [
  ["", []],
  ["repository:team/app:pull", ["pull"]],
  ["repository:team/app:push", []],
  ["repository:team/app:delete", ["delete"]],
  ["repository:team/app:pull,push", ["pull", "push"]],
  ["repository:team/app:pull,push,delete", ["pull", "push", "delete"]],
  ["repository:team/app:*", ["pull", "push", "delete"]],
  ["registry:catalog:*", ["catalog"]],
  ["registry:catalog:pull", []],
  ["repository:team:*", []],
  ["repository:team/ap:*", []],
  ["repository:team/app2:*", []],
  ["repository:team/app/sub:*", []],
  ["repository(plugin):team/app:*", []],
  ["repository:*:*", []],
  ["*", []]
]
