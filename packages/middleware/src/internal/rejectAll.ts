import { Answer, Handler, Operation, RegistryError } from "@effect-oci/core"
import * as Stream from "effect/Stream"

/** Creates a registry that contains nothing and refuses all writes with a reason. */
export const rejectAll = (reason: string): Handler.Handler => {
  const blob = (operation: Operation.Operation) =>
    Answer.fail(new RegistryError.BlobUnknown(Operation.errorFields(operation)))
  const name = (operation: Operation.Operation) =>
    Answer.fail(new RegistryError.NameUnknown(Operation.errorFields(operation)))
  const denied = (operation: Operation.Operation) =>
    Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))
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
    ListRepositories: () => Answer.succeed(Stream.empty),
    ListTags: name,
    ListReferrers: () => Answer.succeed(Stream.empty)
  })
}
