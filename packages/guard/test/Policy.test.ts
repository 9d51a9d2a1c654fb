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

const texts = "repository:team/app:pull,push repository:group/**:* repository:**:pull registry:catalog:*"

it.effect.each<readonly [requested: string, granted: string]>([
  ["repository:team/app:*", "repository:team/app:pull,push"],
  ["repository:team/app-evil:push repository:team/app/x:push repository:team:push", ""],
  [
    "repository:group/a:* repository:group/a/b:delete",
    "repository:group/a:delete,pull,push repository:group/a/b:delete"
  ],
  ["repository:group:push repository:group-b/a:push repository:groups/a:push", ""],
  ["repository:any/app:pull,push", "repository:any/app:pull"],
  ["repository(plugin):group/a:pull", ""],
  ["registry:catalog:* registry:admin:*", "registry:catalog:*"]
])("grants permissions in text: %s (T32)", ([requested, expected]) =>
  Effect.gen(function*() {
    const policy = yield* Policy.parse(texts)
    expect(yield* granted(policy, "anyone", requested)).toBe(expected)
  }))

it.effect.each<readonly [permissions: string, problem: RegExp]>([
  ["", /there is no permission/],
  ["team/app", /write repository:NAME:ACTIONS/],
  ["repository:Team/app:pull", /write a repository name, NAME\/\*\* or \*\*/],
  ["repository:team/*:pull", /write a repository name/],
  ["repository:*:pull", /write a repository name/],
  ["repository:/**:pull", /write a repository name/],
  ["repository:team**:pull", /write a repository name/],
  ["registry:**:pull", /write a repository name/],
  ["repository:team/app:PULL", /an action is/],
  ["repository(plugin):team/app:pull", /write repository:NAME:ACTIONS/]
])(
  "refuses %j as permissions",
  ([permissions, problem]) =>
    Effect.map(Effect.flip(Policy.parse(permissions)), ({ message }) => expect(message).toMatch(problem))
)
