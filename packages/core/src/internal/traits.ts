import * as AuthScope from "../AuthScope.js"
import type { RepositoryName } from "../RepositoryName.js"
import type { OperationOf, OperationTag, Touched, Trait } from "./operationModel.js"

type Action = Touched["action"]

const touched = (repository: RepositoryName, action: Action): Touched => ({ repository, action })

/** The properties of operations that use one repository, which most operations do. */
const within = <O extends { readonly repository: RepositoryName }>(action: Action) => ({
  repositories: (operation: O): ReadonlyArray<Touched> => [touched(operation.repository, action)],
  requiredScope: (operation: O) => scopes[action](operation.repository)
})

const scopes = {
  pull: (repository: RepositoryName) => AuthScope.repository(repository, "pull"),
  push: (repository: RepositoryName) => AuthScope.repository(repository, "pull", "push"),
  delete: (repository: RepositoryName) => AuthScope.repository(repository, "delete")
} satisfies { readonly [A in Action]: unknown }

export const traits: { readonly [Tag in OperationTag]: Trait<OperationOf<Tag>> } = {
  ResolveBlob: { access: "read", repeat: "safe", ...within("pull") },
  GetBlob: { access: "read", repeat: "safe", ...within("pull") },
  ResolveManifest: { access: "read", repeat: "safe", ...within("pull") },
  GetManifest: { access: "read", repeat: "safe", ...within("pull") },
  PushBlob: { access: "write", repeat: "idempotent", ...within("push") },
  MountBlob: {
    access: "write",
    repeat: "idempotent",
    repositories: ({ from, repository }) =>
      from === undefined ? [touched(repository, "push")] : [touched(repository, "push"), touched(from, "pull")],
    requiredScope: ({ from, repository }) =>
      from === undefined ? scopes.push(repository) : AuthScope.union(scopes.push(repository), scopes.pull(from))
  },
  StartUpload: { access: "write", repeat: "idempotent", ...within("push") },
  GetUpload: { access: "write", repeat: "safe", ...within("push") },
  AppendUpload: { access: "write", repeat: "once", ...within("push") },
  CompleteUpload: { access: "write", repeat: "once", ...within("push") },
  CancelUpload: { access: "write", repeat: "idempotent", ...within("push") },
  PushManifest: { access: "write", repeat: "idempotent", ...within("push") },
  DeleteBlob: { access: "delete", repeat: "idempotent", ...within("delete") },
  DeleteManifest: { access: "delete", repeat: "idempotent", ...within("delete") },
  DeleteTag: { access: "delete", repeat: "idempotent", ...within("delete") },
  ListRepositories: {
    access: "list",
    repeat: "safe",
    repositories: () => [],
    requiredScope: () => AuthScope.catalog
  },
  ListTags: { access: "list", repeat: "safe", ...within("pull") },
  ListReferrers: { access: "list", repeat: "safe", ...within("pull") }
}
