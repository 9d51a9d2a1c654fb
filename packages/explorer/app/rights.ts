/**
 * Which changes the page offers. It knows before the user tries if a token server says what it grants. Otherwise it learns
 * from the first refusal. It forgets both when the user logs in as someone else or loads the page again.
 */
import { Denied } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { useEffect, useState } from "preact/hooks"
import { useApp } from "./app.js"
import type { Connection } from "./connection.js"
import type { Explanation } from "./explain.js"
import type { Granted } from "./grants.js"
import { useLive } from "./live.js"

/** A change of a repository. */
export type Change = "push" | "deleteTag" | "deleteManifest"

type Refusal = "denied" | "unsupported"

/** What is known at a connection, by repository, and for refusals by repository and change. */
interface Known {
  readonly granted: Map<string, Granted>
  readonly refused: Map<string, Refusal>
}

const knownBy = new WeakMap<Connection, Known>()
const watchers = new Set<() => void>()

const knownOf = (connection: Connection): Known => {
  const known = knownBy.get(connection) ?? { granted: new Map(), refused: new Map() }
  knownBy.set(connection, known)
  return known
}

/** A tag that exists (412) and a full registry (507) are no refusals. A user who is not logged in can log in. */
const refusalOf = (
  { username }: Connection,
  change: Change,
  { _tag, status = 403 }: RegistryError
): Refusal | undefined => {
  switch (_tag) {
    case "OciUnsupported":
      return "unsupported"
    case "OciDigestInvalid":
      // Distribution 2.8 reads the tag that it should delete as a digest.
      return change === "deleteTag" ? "unsupported" : undefined
    case "OciDenied":
      return status < 404 ? "denied" : undefined
    case "OciUnauthorized":
      return username === undefined ? undefined : "denied"
    default:
      return undefined
  }
}

const granted = (connection: Connection, repository: RepositoryName): Effect.Effect<Granted> =>
  Effect.suspend(() => {
    const known = knownOf(connection).granted
    return known.has(repository)
      ? Effect.succeed(known.get(repository))
      : Effect.tap(connection.grants(repository), (granted) => Effect.sync(() => known.set(repository, granted)))
  })

const allows = (granted: Granted, change: Change): boolean =>
  granted === undefined || granted.has("*") || granted.has(change === "push" ? "push" : "delete")

/** Makes a change, unless the token server does not grant it. Remembers if the registry refuses it. */
export const attempt = <A>(
  connection: Connection,
  repository: RepositoryName,
  change: Change,
  effect: Effect.Effect<A, RegistryError>
): Effect.Effect<A, RegistryError> =>
  Effect.flatMap(granted(connection, repository), (granted) =>
    allows(granted, change)
      ? effect
      : Effect.fail(new Denied({ repository, reason: "the token server does not grant it to this user" }))).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          const refusal = refusalOf(connection, change, error)
          if (refusal === undefined) return
          knownOf(connection).refused.set(`${repository} ${change}`, refusal)
          for (const watcher of watchers) watcher()
        })
      )
    )

const unsupported: { readonly [name in Change]: Explanation } = {
  push: {
    what: "The registry takes no changes of this repository.",
    advice: "It may be a mirror, or read-only. Push to the registry that it mirrors, or ask its operator."
  },
  deleteTag: {
    what: "The registry does not delete a tag alone.",
    advice: "Delete the manifest, or move the tag to another manifest."
  },
  deleteManifest: {
    what: "The registry does not delete manifests.",
    advice: "Its operator may have turned deletes off."
  }
}

const denied = ({ username }: Connection, change: Change): Explanation => ({
  what: `${username ?? "A user who is not logged in"} may not ${
    change === "push" ? "push to" : "delete from"
  } this repository.`,
  advice: username === undefined
    ? "Log in as a user who may."
    : "Log in as another user, or ask the owner of the repository for access."
})

/** Why a change is not offered. `forget` offers it again, if the registry has refused it once. */
export interface NotOffered extends Explanation {
  readonly forget: (() => void) | undefined
}

/** Returns why a change is not offered, or `undefined` if it is offered. */
export type Rights = (change: Change) => NotOffered | undefined

/** Returns which changes of a repository the page offers. Returns `undefined` until that is known. */
export const useRights = (repository: RepositoryName): Rights | undefined => {
  const { connection } = useApp()
  const [, update] = useState(0)
  useEffect(() => {
    const watcher = () => update((old) => old + 1)
    watchers.add(watcher)
    return () => void watchers.delete(watcher)
  }, [])
  const { isDone, value } = useLive<Granted>(`granted ${repository}`, () => granted(connection, repository))
  if (!isDone) return undefined
  return (change) => {
    const { refused } = knownOf(connection)
    const key = `${repository} ${change}`
    const refusal = refused.get(key)
    if (refusal === undefined) {
      return allows(value, change) ? undefined : { ...denied(connection, change), forget: undefined }
    }
    const forget = () => {
      refused.delete(key)
      for (const watcher of watchers) watcher()
    }
    return { ...refusal === "unsupported" ? unsupported[change] : denied(connection, change), forget }
  }
}
