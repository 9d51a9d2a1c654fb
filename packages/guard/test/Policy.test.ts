import { AuthScope } from "@effect-oci/core"
import { Policy } from "@effect-oci/guard"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"

const granted = (policy: Policy.Policy, name: string | undefined, requested: string) =>
  Effect.map(
    policy({ name, claims: {} }, AuthScope.parse(requested)),
    (scope) => AuthScope.format(AuthScope.canonical(scope))
  )

const ownNamespace = Policy.make(({ name }, { action, resource, type }) =>
  type === "repository" &&
  ((action === "pull" && resource.startsWith("public/")) || (name !== undefined && resource.startsWith(`${name}/`)))
)

it.effect.each<readonly [name: string | undefined, requested: string, granted: string]>([
  [undefined, "repository:public/app:pull,push", "repository:public/app:pull"],
  [undefined, "repository:team/app:pull", ""],
  ["team", "repository:team/app:pull,push,delete", "repository:team/app:delete,pull,push"],
  ["team", "repository:team-b/app:pull repository:team/a:pull", "repository:team/a:pull"],
  ["team", "repository(plugin):team/app:pull", ""],
  ["team", "registry:catalog:*", ""],
  ["team", "repository:public/app:*", "repository:public/app:pull"],
  ["team", "repository:team/app:*", "repository:team/app:delete,pull,push"]
])(
  "decides each action on each resource for the caller: %s %s (T32)",
  ([name, requested, expected]) =>
    Effect.gen(function*() {
      expect(yield* granted(ownNamespace, name, requested)).toBe(expected)
    })
)

it.effect("decides `*` action by action, so that a policy that forbids delete also forbids it within `*`", () =>
  Effect.gen(function*() {
    const keep = Policy.make((_, { action }) => action !== "delete")
    expect(yield* granted(keep, "alice", "repository:a:*")).toBe("repository:a:pull,push")
    expect(yield* granted(keep, "alice", "repository(plugin):a:*")).toBe("repository(plugin):a:pull,push")
    expect(yield* granted(keep, "alice", "registry:catalog:*")).toBe("registry:catalog:*")
  }))

it.effect("Policy.authenticated grants everything to callers with a name", () =>
  Effect.gen(function*() {
    expect(yield* granted(Policy.authenticated, "alice", "repository:a:*")).toBe("repository:a:*")
    expect(yield* granted(Policy.authenticated, undefined, "repository:a:*")).toBe("")
  }))
