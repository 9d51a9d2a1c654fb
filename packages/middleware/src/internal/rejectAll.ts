import { Handler, Operation, RegistryError } from "@effect-oci/core"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"

/** Creates a registry that contains nothing and refuses all writes with a reason. */
export const rejectAll = (reason: string): Handler.Handler => {
  const blob = (operation: Operation.Operation) =>
    Exit.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))
  const name = (operation: Operation.Operation) =>
    Exit.fail(new RegistryError.NameUnknown(Operation.errorFields(operation)))
  const denied = (operation: Operation.Operation) =>
    Exit.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))
  return Handler.fromTable({
    ResolveBlob: blob,
    GetBlob: blob,
    ResolveManifest: name,
    GetManifest: name,
    PushBlob: denied,
    MountBlob: denied,
    StartUpload: denied,
    GetUpload: denied,
    AppendUpload: denied,
    CompleteUpload: denied,
    CancelUpload: denied,
    PushManifest: denied,
    DeleteBlob: denied,
    DeleteManifest: denied,
    DeleteTag: denied,
    ListRepositories: () => Exit.succeed(Stream.empty),
    ListTags: name,
    ListReferrers: () => Exit.succeed(Stream.empty)
  })
}
