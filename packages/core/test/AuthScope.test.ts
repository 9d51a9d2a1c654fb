import { describe, expect, it } from "@effect/vitest"
import { Effect, Equal, Hash, HashMap, Option, pipe } from "effect"
import * as fc from "fast-check"
import { inspect } from "node:util"
import * as AuthScope from "../src/AuthScope.js"
import * as RequestScope from "../src/RequestScope.js"
import * as ResourceScope from "../src/ResourceScope.js"

const { make: resource } = ResourceScope

/** The tables write the unlimited scope as `*`, which is how it is displayed. */
const read = (text: string): AuthScope.AuthScope => text === "*" ? AuthScope.unlimited : AuthScope.parse(text)

const canonicalText = (scope: AuthScope.AuthScope): string => AuthScope.format(AuthScope.canonical(scope))

const law = <T extends Array<unknown>>(
  name: string,
  given: { [K in keyof T]: fc.Arbitrary<T[K]> },
  check: (values: T) => void
) => it(name, () => fc.assert(fc.property(fc.tuple<T>(...given), check)))

describe("AuthScope.parse", () => {
  const catalog = ResourceScope.catalog
  const pull = resource("repository", "foo/bar", "pull")
  const push = resource("repository", "foo/bar", "push")
  const remove = resource("repository", "foo/bar", "delete")
  const otherPull = resource("repository", "other", "pull")
  const opaque = (text: string) => resource(text, "", "")

  it.each([
    { name: "nothing", text: "", canonical: "", values: [] },
    { name: "only spaces", text: " \t ", canonical: "", values: [] },
    { name: "one action", text: "repository:foo/bar:pull", canonical: "repository:foo/bar:pull", values: [pull] },
    {
      name: "two actions",
      text: "repository:foo/bar:push,pull",
      canonical: "repository:foo/bar:pull,push",
      values: [pull, push]
    },
    {
      name: "several resources",
      text: "repository:foo/bar:push,pull repository:other:pull",
      canonical: "repository:foo/bar:pull,push repository:other:pull",
      values: [pull, push, otherPull]
    },
    { name: "the catalog", text: "registry:catalog:*", canonical: "registry:catalog:*", values: [catalog] },
    {
      name: "several resources and the catalog",
      text: "repository:foo/bar:push,pull registry:catalog:* repository:other:pull",
      canonical: "registry:catalog:* repository:foo/bar:pull,push repository:other:pull",
      values: [catalog, pull, push, otherPull]
    },
    { name: "an opaque word", text: "otherScope", canonical: "otherScope", values: [opaque("otherScope")] },
    {
      name: "delete",
      text: "repository:foo/bar:delete,push,pull",
      canonical: "repository:foo/bar:delete,pull,push",
      values: [remove, pull, push]
    },
    {
      name: "resources and an opaque word",
      text: "repository:foo/bar:delete,pull,push repository:other:pull otherScope",
      canonical: "otherScope repository:foo/bar:delete,pull,push repository:other:pull",
      values: [opaque("otherScope"), remove, pull, push, otherPull]
    },
    {
      name: "duplicates",
      text: "repository:foo/bar:delete,pull,push otherScope repository:foo/bar:pull,push,push " +
        "repository:other:pull otherScope",
      canonical: "otherScope repository:foo/bar:delete,pull,push repository:other:pull",
      values: [opaque("otherScope"), remove, pull, push, otherPull]
    },
    {
      name: "an action of the registry's own",
      text: "repository:foo/bar:metadata_read,pull",
      canonical: "repository:foo/bar:metadata_read,pull",
      values: [resource("repository", "foo/bar", "metadata_read"), pull]
    },
    {
      name: "a type of the registry's own",
      text: "artifact:x:read",
      canonical: "artifact:x:read",
      values: [resource("artifact", "x", "read")]
    },
    {
      name: "a class, which sorts after its plain type",
      text: "repository(plugin):foo/bar:pull repository:foo/bar:pull",
      canonical: "repository:foo/bar:pull repository(plugin):foo/bar:pull",
      values: [pull, resource("repository(plugin)", "foo/bar", "pull")]
    },
    {
      name: "colons in the resource",
      text: "repository:localhost:5000/foo:push,pull",
      canonical: "repository:localhost:5000/foo:pull,push",
      values: [
        resource("repository", "localhost:5000/foo", "pull"),
        resource("repository", "localhost:5000/foo", "push")
      ]
    },
    {
      name: "* absorbs the other actions of its resource, and of no other",
      text: "repository:foo/bar:pull,*,push repository:foo/bar:delete repository:other:pull",
      canonical: "repository:foo/bar:* repository:other:pull",
      values: [resource("repository", "foo/bar", "*"), otherPull]
    },
    {
      name: "words with too few colons are opaque",
      text: "repository:foo/bar * pull,push",
      canonical: "* pull,push repository:foo/bar",
      values: [opaque("*"), opaque("pull,push"), opaque("repository:foo/bar")]
    },
    {
      name: "words without a type or a resource are opaque",
      text: ":foo:pull repository::pull :: t::",
      canonical: ":: :foo:pull repository::pull t::",
      values: [opaque("::"), opaque(":foo:pull"), opaque("repository::pull"), opaque("t::")]
    },
    {
      name: "an empty action passes through",
      text: "repository:foo/bar:pull, repository:other:",
      canonical: "repository:foo/bar:,pull repository:other:",
      values: [resource("repository", "foo/bar", ""), pull, resource("repository", "other", "")]
    },
    {
      name: "names with a meaning in JavaScript",
      text: "__proto__ repository:__proto__:constructor",
      canonical: "__proto__ repository:__proto__:constructor",
      values: [opaque("__proto__"), resource("repository", "__proto__", "constructor")]
    },
    {
      name: "other white space between",
      text: "\n repository:foo/bar:pull \t\r\n  repository:other:pull ",
      canonical: "repository:foo/bar:pull repository:other:pull",
      values: [pull, otherPull]
    }
  ])("$name", ({ canonical, text, values }) => {
    const scope = AuthScope.parse(text)
    expect(AuthScope.format(scope)).toBe(text)
    expect(canonicalText(scope)).toBe(canonical)
    expect(AuthScope.values(scope)).toEqual(values)
    expect([...scope]).toEqual(values)
    expect(AuthScope.size(scope)).toBe(values.length)
    expect(AuthScope.isEmpty(scope)).toBe(values.length === 0)
    expect(AuthScope.isUnlimited(scope)).toBe(false)
    expect(AuthScope.equals(AuthScope.make(values), scope)).toBe(true)
    expect(AuthScope.equals(AuthScope.parse(canonical), scope)).toBe(true)
    for (const value of values) expect(AuthScope.holds(scope, value)).toBe(true)
  })
})

describe("AuthScope.make", () => {
  it.each([
    { name: "nothing", from: [], text: "" },
    { name: "no words", from: [resource("", "", "")], text: "" },
    {
      name: "sorted, merged, without duplicates",
      from: [
        resource("repository", "b", "push"),
        resource("repository", "a", "pull"),
        resource("repository", "b", "pull"),
        resource("repository", "a", "pull"),
        ResourceScope.catalog
      ],
      text: "registry:catalog:* repository:a:pull repository:b:pull,push"
    },
    {
      name: "commas separate actions",
      from: [resource("repository", "a", "push,pull")],
      text: "repository:a:pull,push"
    },
    { name: "no resource", from: [resource("repository", "", "pull")], text: "repository::pull" },
    {
      name: "a name with a space makes no second scope",
      from: [resource("repository", "a repository:secret", "pull")],
      text: "repository:a%20repository:secret:pull"
    }
  ])("$name", ({ from, text }) => {
    const scope = AuthScope.make(from)
    expect(AuthScope.format(scope)).toBe(text)
    expect(AuthScope.equals(AuthScope.parse(text), scope)).toBe(true)
  })

  it("accepts any iterable, and returns a scope unchanged", () => {
    expect(AuthScope.format(AuthScope.make(new Set([ResourceScope.catalog])))).toBe("registry:catalog:*")
    expect(AuthScope.make(AuthScope.unlimited)).toBe(AuthScope.unlimited)
  })
})

describe("the required scope of each operation", () => {
  it.each([
    { name: "read", scope: AuthScope.repository("team/app", "pull"), text: "repository:team/app:pull" },
    { name: "push", scope: AuthScope.repository("team/app", "push", "pull"), text: "repository:team/app:pull,push" },
    {
      name: "mount",
      scope: AuthScope.union(
        AuthScope.repository("team/app", "pull", "push"),
        AuthScope.repository("library/base", "pull")
      ),
      text: "repository:library/base:pull repository:team/app:pull,push"
    },
    {
      name: "mount within one repository",
      scope: AuthScope.union(AuthScope.repository("a", "pull", "push"), AuthScope.repository("a", "pull")),
      text: "repository:a:pull,push"
    },
    { name: "delete", scope: AuthScope.repository("team/app", "delete"), text: "repository:team/app:delete" },
    { name: "list repositories", scope: AuthScope.catalog, text: "registry:catalog:*" },
    { name: "no actions at all", scope: AuthScope.repository("team/app"), text: "" }
  ])("$name", ({ scope, text }) => {
    expect(AuthScope.format(scope)).toBe(text)
  })
})

describe("AuthScope.union", () => {
  const mixed = "otherScope registry:catalog:* repository:bar/baz:pull repository:foo:delete yetAnotherScope"

  it.each([
    { name: "empty and empty", self: "", that: "", text: "" },
    { name: "empty and one", self: "", that: "repository:foo:pull", text: "repository:foo:pull" },
    { name: "one and empty", self: "repository:foo:pull", that: "", text: "repository:foo:pull" },
    { name: "unlimited and one", self: "*", that: "repository:foo:pull", text: "*" },
    { name: "one and unlimited", self: "repository:foo:pull", that: "*", text: "*" },
    { name: "unlimited and unlimited", self: "*", that: "*", text: "*" },
    {
      name: "many",
      self: "anotherScope:bad otherScope repository:arble:pull repository:foo:pull,push",
      that: "otherScope registry:catalog:* repository:foo:delete repository:bar/baz:pull yetAnotherScope",
      text: "anotherScope:bad otherScope registry:catalog:* repository:arble:pull repository:bar/baz:pull " +
        "repository:foo:delete,pull,push yetAnotherScope"
    },
    { name: "identical", self: mixed, that: mixed, text: mixed },
    { name: "* absorbs", self: "repository:foo:pull,push", that: "repository:foo:*", text: "repository:foo:*" },
    {
      name: "* of another resource does not",
      self: "repository:foo:pull",
      that: "repository:bar:*",
      text: "repository:bar:* repository:foo:pull"
    }
  ])("$name", ({ self, text, that }) => {
    const there = AuthScope.union(read(self), read(that))
    const back = AuthScope.union(read(that), read(self))
    expect(AuthScope.format(there)).toBe(text)
    expect(AuthScope.format(back)).toBe(text)
    expect(AuthScope.isUnlimited(there)).toBe(text === "*")
    expect(AuthScope.equals(there, back)).toBe(true)
  })

  it.each([
    { name: "the same in other words", self: "b  repository:foo:push,pull a", that: "a b repository:foo:pull,push" },
    { name: "a part", self: "repository:foo:push,pull", that: "repository:foo:pull" },
    { name: "what * holds", self: "repository:foo:pull,*", that: "repository:foo:push,delete,other" },
    { name: "nothing", self: " repository:foo:pull", that: "" },
    { name: "another nothing", self: "", that: "  " }
  ])("is the first itself when the second adds $name", ({ self, that }) => {
    const first = AuthScope.parse(self)
    expect(AuthScope.union(first, AuthScope.parse(that))).toBe(first)
    expect(AuthScope.format(first)).toBe(self)
  })

  it("returns the second scope itself if it contains the first", () => {
    const challenge = AuthScope.parse("repository:foo:push,pull")
    expect(AuthScope.union(AuthScope.repository("foo", "pull"), challenge)).toBe(challenge)
  })

  it("does not modify its arguments", () => {
    const self = AuthScope.repository("foo", "pull")
    const that = AuthScope.parse("repository:foo:push opaque")
    AuthScope.union(AuthScope.union(self, that), AuthScope.repository("foo", "*"))
    expect(AuthScope.values(self)).toEqual([resource("repository", "foo", "pull")])
    expect(AuthScope.values(that)).toEqual([resource("opaque", "", ""), resource("repository", "foo", "push")])
  })
})

describe("AuthScope.contains", () => {
  it.each([
    { name: "empty, empty", self: "", that: "", expected: true },
    { name: "something, empty", self: "foo", that: "", expected: true },
    { name: "empty, something", self: "", that: "foo", expected: false },
    { name: "unlimited, something", self: "*", that: "foo", expected: true },
    { name: "something, unlimited", self: "foo", that: "*", expected: false },
    { name: "unlimited, unlimited", self: "*", that: "*", expected: true },
    {
      name: "many, a part of them",
      self: "otherScope registry:catalog:* repository:bar/baz:push,pull repository:foo:delete yetAnotherScope",
      that: "otherScope registry:catalog:* repository:bar/baz:pull",
      expected: true
    },
    {
      name: "an action is not there",
      self: "otherScope registry:catalog:* repository:bar/baz:push repository:foo:delete yetAnotherScope",
      that: "otherScope registry:catalog:* repository:bar/baz:pull",
      expected: false
    },
    {
      name: "a repository is not there",
      self: "otherScope registry:catalog:* repository:bar/baz:push repository:foo:delete yetAnotherScope",
      that: "repository:other:pull",
      expected: false
    },
    {
      name: "two opaque scopes are not there",
      self: "otherScope registry:catalog:* repository:bar/baz:push repository:foo:delete yetAnotherScope",
      that: "arble zaphod",
      expected: false
    },
    {
      name: "an opaque scope is not there",
      self: "otherScope registry:catalog:* repository:bar/baz:push repository:foo:delete yetAnotherScope",
      that: "arble",
      expected: false
    },
    { name: "*, known actions", self: "repository:foo:*", that: "repository:foo:pull,push,delete", expected: true },
    { name: "*, an unknown action", self: "repository:foo:*", that: "repository:foo:sign", expected: true },
    { name: "* of another resource", self: "repository:foo:*", that: "repository:foo/bar:pull", expected: false },
    { name: "known actions, *", self: "repository:foo:pull,push,delete", that: "repository:foo:*", expected: false },
    { name: "* of another class", self: "repository(plugin):foo:*", that: "repository:foo:pull", expected: false },
    { name: "* on the catalog, pull on it", self: "registry:catalog:*", that: "registry:catalog:pull", expected: true }
  ])("$name: $expected", ({ expected, self, that }) => {
    expect(AuthScope.contains(read(self), read(that))).toBe(expected)
    expect(AuthScope.equals(read(self), read(that))).toBe(expected && AuthScope.contains(read(that), read(self)))
  })

  it("parses no text to the unlimited scope", () => {
    const star = AuthScope.parse(AuthScope.format(AuthScope.unlimited))
    expect(AuthScope.isUnlimited(star)).toBe(false)
    expect(AuthScope.contains(star, AuthScope.repository("foo", "pull"))).toBe(false)
  })
})

describe("AuthScope.holds", () => {
  const mixed = "otherScope registry:catalog:* repository:bar/baz:pull repository:foo:delete yetAnotherScope"
  const withoutCatalog = "otherScope repository:bar/baz:pull repository:foo:delete yetAnotherScope"

  it.each([
    { name: "empty", scope: "", action: resource("repository", "foo", "pull"), expected: false },
    { name: "a repository's action", scope: mixed, action: resource("repository", "bar/baz", "pull"), expected: true },
    { name: "another action", scope: mixed, action: resource("repository", "bar/baz", "push"), expected: false },
    { name: "catalog", scope: mixed, action: ResourceScope.catalog, expected: true },
    { name: "no catalog", scope: withoutCatalog, action: ResourceScope.catalog, expected: false },
    { name: "an opaque scope", scope: mixed, action: resource("otherScope", "", ""), expected: true },
    { name: "another opaque scope", scope: mixed, action: resource("notThere", "", ""), expected: false },
    { name: "unlimited", scope: "*", action: resource("repository", "bar/baz", "push"), expected: true },
    { name: "*", scope: "repository:foo:*", action: resource("repository", "foo", "sign"), expected: true },
    { name: "opaque is not its parts", scope: "a::b", action: resource("a", "", ""), expected: false }
  ])("$name: $expected", ({ expected, action, scope }) => {
    expect(AuthScope.holds(read(scope), action)).toBe(expected)
  })
})

describe("AuthScope.difference", () => {
  it.each([
    { name: "nothing held", required: "repository:foo:pull,push", granted: "", missing: "repository:foo:pull,push" },
    { name: "all held", required: "repository:foo:pull a", granted: "a b repository:foo:*", missing: "" },
    { name: "an action", required: "artifact:a:pull,push", granted: "artifact:a:pull", missing: "artifact:a:push" },
    { name: "a resource", required: "type:a:pull type:b:pull", granted: "type:a:pull", missing: "type:b:pull" },
    { name: "an opaque scope", required: "a b", granted: "b c", missing: "a" },
    { name: "*", required: "repository:foo:*", granted: "repository:foo:pull,push", missing: "repository:foo:*" },
    { name: "of unlimited", required: "*", granted: "repository:foo:*", missing: "*" },
    { name: "from unlimited", required: "repository:foo:*", granted: "*", missing: "" },
    { name: "unlimited from unlimited", required: "*", granted: "*", missing: "" }
  ])("$name", ({ granted, missing, required }) => {
    const difference = AuthScope.difference(read(required), read(granted))
    expect(AuthScope.format(difference)).toBe(missing)
    expect(AuthScope.isUnlimited(difference)).toBe(missing === "*")
  })
})

describe("AuthScope.intersection", () => {
  it.each([
    { name: "nothing in common", self: "a repository:foo:pull", that: "b repository:foo:push", both: "" },
    { name: "an opaque scope", self: "a b", that: "b c", both: "b" },
    { name: "actions", self: "artifact:a:pull,push", that: "artifact:a:push,delete", both: "artifact:a:push" },
    {
      name: "a challenge's part on one repository",
      self: "repository:other:push,pull repository:foo:push,pull registry:catalog:*",
      that: "repository:foo:*",
      both: "repository:foo:pull,push"
    },
    { name: "* and *", self: "repository:foo:* a", that: "repository:foo:* b", both: "repository:foo:*" },
    { name: "unlimited", self: "*", that: "a repository:foo:pull", both: "a repository:foo:pull" }
  ])("$name", ({ both, self, that }) => {
    expect(AuthScope.format(AuthScope.intersection(read(self), read(that)))).toBe(both)
    expect(AuthScope.format(AuthScope.intersection(read(that), read(self)))).toBe(both)
  })

  it("returns the first scope itself if the second contains it", () => {
    const challenge = AuthScope.parse("repository:foo:push,pull")
    expect(AuthScope.intersection(challenge, AuthScope.repository("foo", "*"))).toBe(challenge)
    expect(AuthScope.intersection(challenge, AuthScope.repository("foo", "pull", "push"))).toBe(challenge)
    expect(AuthScope.intersection(challenge, AuthScope.unlimited)).toBe(challenge)
  })
})

describe("AuthScope.unionAll", () => {
  it("returns the empty scope for no scopes", () => {
    expect(AuthScope.isEmpty(AuthScope.unionAll([]))).toBe(true)
  })

  it("returns the scope that contains all others, with its text", () => {
    const whole = AuthScope.parse("b a repository:foo:push,pull")
    expect(AuthScope.unionAll([AuthScope.parse("a"), whole, AuthScope.repository("foo", "pull")])).toBe(whole)
    expect(AuthScope.unionAll([whole, AuthScope.unlimited])).toBe(AuthScope.unlimited)
  })
})

describe("an AuthScope as a value", () => {
  const scope = AuthScope.parse("repository:foo:push,pull")
  const same = AuthScope.repository("foo", "pull", "push")

  it("equals a scope that allows the same", () => {
    expect(Equal.equals(scope, same)).toBe(true)
    expect(AuthScope.Equivalence(scope, same)).toBe(true)
    expect(Equal.equals(scope, AuthScope.repository("foo", "pull"))).toBe(false)
    expect(Equal.equals(AuthScope.unlimited, AuthScope.parse("*"))).toBe(false)
    const sameHash: Equal.Equal = { [Hash.symbol]: () => Hash.hash(scope), [Equal.symbol]: () => true }
    expect(Equal.equals(scope, sameHash)).toBe(false)
    expect(HashMap.get(HashMap.make([scope, 1]), same)).toEqual(Option.some(1))
  })

  it("displays its text", () => {
    expect(String(scope)).toBe("repository:foo:push,pull")
    expect(JSON.stringify({ scope })).toBe(`{"scope":"repository:foo:push,pull"}`)
    expect(inspect(scope)).toBe("repository:foo:push,pull")
    expect(String(AuthScope.unlimited)).toBe("*")
  })

  it("displays a hostile text escaped and cut, and formats it exactly", () => {
    const text = `\u001b[2J${"x".repeat(5000)}`
    const hostile = AuthScope.parse(text)
    for (const shown of [String(hostile), inspect(hostile), JSON.stringify(hostile)]) {
      expect(shown).not.toContain("\u001b")
      expect(shown.length).toBeLessThan(1100)
    }
    expect(AuthScope.format(hostile)).toBe(text)
  })

  it("is recognized by the guard", () => {
    expect([scope, AuthScope.empty, AuthScope.unlimited].every(AuthScope.is)).toBe(true)
    expect([undefined, null, "repository:foo:pull", {}, []].some(AuthScope.is)).toBe(false)
  })

  it("is pipeable", () => {
    expect(scope.pipe(AuthScope.union(AuthScope.parse("a")), AuthScope.format)).toBe("a repository:foo:pull,push")
    expect(pipe(scope, AuthScope.contains(AuthScope.repository("foo", "pull")))).toBe(true)
    expect(pipe(AuthScope.repository("foo", "pull"), AuthScope.contains(scope))).toBe(false)
    expect(pipe(scope, AuthScope.holds(resource("repository", "foo", "push")))).toBe(true)
    expect(pipe(scope, AuthScope.equals(same))).toBe(true)
    expect(scope.pipe(AuthScope.difference(AuthScope.repository("foo", "pull")), AuthScope.format)).toBe(
      "repository:foo:push"
    )
    expect(scope.pipe(AuthScope.intersection(AuthScope.repository("foo", "pull", "sign")), AuthScope.format)).toBe(
      "repository:foo:pull"
    )
  })

  it("canonical returns the scope itself if its text is canonical already", () => {
    expect(AuthScope.canonical(same)).toBe(same)
    const parsed = AuthScope.parse("repository:foo:pull")
    expect(AuthScope.canonical(parsed)).toBe(parsed)
    expect(AuthScope.canonical(AuthScope.unlimited)).toBe(AuthScope.unlimited)
  })

  it("the unlimited scope has no resource scopes", () => {
    expect(AuthScope.size(AuthScope.unlimited)).toBeUndefined()
    expect(AuthScope.values(AuthScope.unlimited)).toEqual([])
    expect(AuthScope.isEmpty(AuthScope.unlimited)).toBe(false)
  })
})

describe("the references required and hint", () => {
  it.effect("is empty by default", () =>
    Effect.gen(function*() {
      expect(AuthScope.isEmpty(yield* RequestScope.required)).toBe(true)
      expect(AuthScope.isEmpty(yield* RequestScope.hint)).toBe(true)
    }))

  it.effect("required and hint are independent", () =>
    Effect.gen(function*() {
      const scopes = Effect.all([RequestScope.required, RequestScope.hint])
      const pull = AuthScope.repository("foo", "pull")
      const push = AuthScope.repository("foo", "push")
      expect(yield* Effect.provideService(scopes, RequestScope.required, pull)).toEqual([pull, AuthScope.empty])
      expect(yield* Effect.provideService(scopes, RequestScope.hint, push)).toEqual([AuthScope.empty, push])
    }))
})

describe("laws", () => {
  const types = ["repository", "registry", "repository(plugin)", "artifact"]
  const resources = ["foo", "foo/bar", "catalog", "host:5000/foo"]
  const actions = ["pull", "push", "delete", "*", "sign", ""]
  const opaque = ["otherScope", "*", "a:b", ":x:y", "t::", "::", "repository", "repository:foo"]

  const named = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("repository:foo", "repository:foo/bar") },
    {
      weight: 3,
      arbitrary: fc.tuple(fc.constantFrom(...types), fc.constantFrom(...resources)).map((parts) => parts.join(":"))
    }
  )
  const word = fc.tuple(named, fc.array(fc.constantFrom(...actions), { minLength: 1, maxLength: 4 })).map(
    ([resource, actions]) => `${resource}:${actions.join(",")}`
  )
  const text = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: word },
      { weight: 2, arbitrary: fc.constantFrom(...opaque) },
      { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(..."a:,* ") }) }
    ),
    { maxLength: 6 }
  ).chain((words) => fc.constantFrom(" ", "  ", " \t").map((space) => words.join(space)))

  const limited: fc.Arbitrary<AuthScope.AuthScope> = fc.oneof(
    text.map(AuthScope.parse),
    text.map((each) => AuthScope.make(AuthScope.values(AuthScope.parse(each))))
  )
  const scope = fc.oneof({ weight: 12, arbitrary: limited }, { weight: 1, arbitrary: fc.constant(AuthScope.unlimited) })

  /** A scope, and one made from some of its parts, so that containment is not rare. */
  const pair = fc.oneof(
    fc.tuple(scope, scope),
    limited.chain((whole) => {
      const parts = [...AuthScope.values(whole)]
      return fc.tuple(fc.constant(whole), fc.subarray(parts).map(AuthScope.make))
    }),
    limited.map((each) => [each, AuthScope.make(AuthScope.values(each))] as const)
  ).chain(([a, b]) => fc.constantFrom([a, b] as const, [b, a] as const))

  /**
   * Resource scopes to test, including an action and a type that no scope names, so only `*` and unlimited contain
   * them.
   */
  const probes = [
    ...types.flatMap((type) =>
      resources.flatMap((each) => [...actions, "unheard-of"].map((action) => resource(type, each, action)))
    ),
    ...opaque.map((each) => resource(each, "", "")),
    resource("unheard-of", "x", "y")
  ]

  const equal = (self: AuthScope.AuthScope, that: AuthScope.AuthScope) => {
    expect({ self: canonicalText(self), equals: AuthScope.equals(self, that) }).toEqual({
      self: canonicalText(that),
      equals: true
    })
  }

  const anyText = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 200 }), text)

  law("the text survives, whatever it is", [anyText], ([each]) => {
    expect(AuthScope.format(AuthScope.parse(each))).toBe(each)
  })

  law("the canonical text means the same, and is its own canonical text", [anyText], ([each]) => {
    const parsed = AuthScope.parse(each)
    const canonical = canonicalText(parsed)
    equal(AuthScope.parse(canonical), parsed)
    equal(AuthScope.canonical(parsed), parsed)
    expect(canonicalText(AuthScope.parse(canonical))).toBe(canonical)
  })

  const part = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."ab:,* \t") }),
    fc.string({ unit: "binary", maxLength: 9 })
  )
  const anyResource = fc.record({ type: part, resource: part, action: part })
  law("what is made means what its text says", [fc.array(anyResource, { maxLength: 4 })], ([parts]) => {
    const made = AuthScope.make(parts)
    equal(AuthScope.parse(AuthScope.format(made)), made)
    for (const each of parts) expect(AuthScope.holds(made, each)).toBe(true)
  })

  law("the parts are in strict order, as many as the size, and make the scope again", [limited], ([self]) => {
    const values = AuthScope.values(self)
    for (const [i, value] of values.slice(1).entries()) expect(ResourceScope.Order(values[i]!, value)).toBe(-1)
    expect(AuthScope.size(self)).toBe(values.length)
    expect(AuthScope.isEmpty(self)).toBe(values.length === 0)
    equal(AuthScope.make(values), self)
  })

  law("union is associative", [scope, scope, scope], ([a, b, c]) => {
    equal(AuthScope.union(AuthScope.union(a, b), c), AuthScope.union(a, AuthScope.union(b, c)))
    equal(AuthScope.unionAll([a, b, c]), AuthScope.union(AuthScope.union(a, b), c))
  })

  law("union is commutative, and an upper bound", [pair], ([[a, b]]) => {
    const both = AuthScope.union(a, b)
    equal(both, AuthScope.union(b, a))
    expect(AuthScope.contains(both, a)).toBe(true)
    expect(AuthScope.contains(both, b)).toBe(true)
  })

  law("union is idempotent, and gives back what it can", [pair], ([[a, b]]) => {
    expect(AuthScope.union(a, a)).toBe(a)
    expect(AuthScope.union(a, b) === a).toBe(AuthScope.contains(a, b))
  })

  law("empty is the unit of union, unlimited its zero", [scope], ([a]) => {
    expect(AuthScope.union(a, AuthScope.empty)).toBe(a)
    equal(AuthScope.union(AuthScope.empty, a), a)
    equal(AuthScope.union(a, AuthScope.unlimited), AuthScope.unlimited)
    equal(AuthScope.union(AuthScope.unlimited, a), AuthScope.unlimited)
  })

  law("contains is reflexive, between empty and unlimited", [scope], ([a]) => {
    expect(AuthScope.contains(a, a)).toBe(true)
    expect(AuthScope.contains(a, AuthScope.empty)).toBe(true)
    expect(AuthScope.contains(AuthScope.unlimited, a)).toBe(true)
  })

  law("contains is transitive", [fc.tuple(pair, pair)], ([[[a, b], [c, d]]]) => {
    for (const [x, y, z] of [[a, b, c], [a, b, d], [b, a, c], [AuthScope.union(a, c), a, b]] as const) {
      if (AuthScope.contains(x, y) && AuthScope.contains(y, z)) expect(AuthScope.contains(x, z)).toBe(true)
    }
  })

  law("contains is antisymmetric: both ways is to have the same canonical text", [pair], ([[a, b]]) => {
    const mutual = AuthScope.contains(a, b) && AuthScope.contains(b, a)
    expect(AuthScope.equals(a, b)).toBe(mutual)
    expect(AuthScope.isUnlimited(a) === AuthScope.isUnlimited(b) && canonicalText(a) === canonicalText(b)).toBe(mutual)
  })

  law("contains(a, b) iff equals(union(a, b), a)", [pair], ([[a, b]]) => {
    expect(AuthScope.equals(AuthScope.union(a, b), a)).toBe(AuthScope.contains(a, b))
  })

  law("contains is to hold all that the other holds", [pair], ([[a, b]]) => {
    const questions = [...probes, ...AuthScope.values(a), ...AuthScope.values(b)]
    const all = questions.every((each) => AuthScope.holds(a, each) || !AuthScope.holds(b, each))
    expect(AuthScope.contains(a, b)).toBe(all)
  })

  law("union holds what either does, intersection what both do", [pair], ([[a, b]]) => {
    const either = AuthScope.union(a, b)
    const both = AuthScope.intersection(a, b)
    for (const each of probes) {
      expect(AuthScope.holds(either, each)).toBe(AuthScope.holds(a, each) || AuthScope.holds(b, each))
      expect(AuthScope.holds(both, each)).toBe(AuthScope.holds(a, each) && AuthScope.holds(b, each))
    }
  })

  law("intersection is commutative, absorbs and is absorbed", [pair], ([[a, b]]) => {
    equal(AuthScope.intersection(a, b), AuthScope.intersection(b, a))
    equal(AuthScope.union(a, AuthScope.intersection(a, b)), a)
    equal(AuthScope.intersection(a, AuthScope.union(a, b)), a)
  })

  law("the difference is what is missing", [pair], ([[required, granted]]) => {
    const missing = AuthScope.difference(required, granted)
    expect(AuthScope.contains(AuthScope.union(granted, missing), required)).toBe(true)
    expect(AuthScope.contains(required, missing)).toBe(true)
    expect(AuthScope.isEmpty(missing)).toBe(AuthScope.contains(granted, required))
    for (const each of AuthScope.values(missing)) expect(AuthScope.holds(granted, each)).toBe(false)
  })

  law("equal scopes have equal hashes", [pair], ([[a, b]]) => {
    expect(Equal.equals(a, b)).toBe(AuthScope.equals(a, b))
    if (AuthScope.equals(a, b)) expect(Hash.hash(a)).toBe(Hash.hash(b))
  })

  law("holds is to contain the scope of that one", [scope, fc.constantFrom(...probes)], ([self, each]) => {
    expect(AuthScope.holds(self, each)).toBe(AuthScope.contains(self, AuthScope.make([each])))
  })
})

describe("hostile texts", () => {
  const length = 1 << 20
  const fill = (piece: (i: number) => string) => {
    const pieces: Array<string> = []
    for (let i = 0, total = 0; total < length; i++) total += pieces[pieces.push(piece(i)) - 1]!.length
    return pieces.join("")
  }

  // Sixteen times the longest text that a scope is read from: quadratic code would take minutes, not part of a second.
  it.each([
    { name: "the same word", text: fill(() => "a ") },
    { name: "words all different", text: fill((i) => `${i.toString(36)} `) },
    { name: "resources all different", text: fill((i) => `r:${i.toString(36)}:p `) },
    { name: "actions all different", text: `repository:foo:${fill((i) => `${i.toString(36)},`)}` },
    { name: "stars among the actions", text: `repository:foo:${fill((i) => i % 2 === 0 ? "*," : "pull,")}` },
    { name: "colons", text: fill(() => ":") },
    { name: "words of colons", text: fill(() => "a:::: ") },
    { name: "commas", text: `repository:foo:${fill(() => ",")}` },
    { name: "spaces", text: fill(() => " ") },
    { name: "spaces after a word", text: `a${fill(() => " ")}` },
    { name: "one long word", text: fill(() => "x") }
  ])("$name", { timeout: 10_000 }, ({ text }) => {
    const self = AuthScope.parse(text)
    const that = AuthScope.parse(`${text} another repository:foo:else`)
    expect(AuthScope.contains(that, self)).toBe(true)
    expect(AuthScope.isEmpty(AuthScope.difference(self, that))).toBe(true)
    expect(AuthScope.equals(AuthScope.union(self, AuthScope.parse("another repository:foo:else")), that)).toBe(true)
    expect(AuthScope.equals(AuthScope.intersection(self, that), self)).toBe(true)
    expect(AuthScope.equals(AuthScope.parse(canonicalText(that)), that)).toBe(true)
  })
})
