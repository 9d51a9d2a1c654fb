import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Digest from "../src/Digest.js"
import * as Reference from "../src/Reference.js"
import * as ReferenceSet from "../src/ReferenceSet.js"
import * as RepositoryName from "../src/RepositoryName.js"
import * as Tag from "../src/Tag.js"

const { all, complement, contains, difference, equals, includes, intersection, isEmpty, none, union } = ReferenceSet
const { prefix, registry, repository, tags, touches, untagged, witness } = ReferenceSet

const candidate = (host: string | undefined, name: string, tag?: string): ReferenceSet.Candidate => ({
  registry: host,
  repository: RepositoryName.make(name),
  tag: tag === undefined ? undefined : Tag.make(tag)
})

/** A set, and the same set as a predicate that does not depend on the implementation of sets. */
interface Case {
  readonly set: ReferenceSet.ReferenceSet
  readonly holds: (candidate: ReferenceSet.Candidate) => boolean
}

const globs = ["*", "a", "ab", "a*", "*b", "a*b", "*a*", "*b*", "*aba*", "ba*ab", "*a*b*", "a*c", "*cc"]
const hosts = ["a.io", "b.io:80", "localhost"]
const names = ["a", "b", "a/b", "a/c", "a/b/c", "b/a", "ab/c"]
const prefixes = ["a/", "b/", "a/b/"]

const someOf = (values: ReadonlyArray<string>) => fc.subarray([...values], { minLength: 1, maxLength: 3 })

const atoms: fc.Arbitrary<Case> = fc.oneof(
  fc.constant<Case>({ set: all, holds: () => true }),
  fc.constant<Case>({ set: none, holds: () => false }),
  fc.constant<Case>({ set: untagged, holds: ({ tag }) => tag === undefined }),
  someOf(hosts).map((some): Case => ({
    set: registry(...some),
    holds: (at) => at.registry !== undefined && some.includes(at.registry)
  })),
  someOf(names).map((some): Case => ({ set: repository(...some), holds: (at) => some.includes(at.repository) })),
  someOf(prefixes).map((some): Case => ({
    set: prefix(...some),
    holds: (at) => some.some((text) => at.repository.startsWith(text))
  })),
  someOf(globs).map((some): Case => {
    const expression = new RegExp(`^(?:${some.map((glob) => glob.replaceAll("*", ".*")).join("|")})$`)
    return { set: tags(...some), holds: ({ tag }) => tag !== undefined && expression.test(tag) }
  })
)

const { sets } = fc.letrec<{ sets: Case }>((tie) => ({
  sets: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    atoms,
    fc.tuple(tie("sets"), tie("sets")).map(([one, other]): Case => ({
      set: union(one.set, other.set),
      holds: (at) => one.holds(at) || other.holds(at)
    })),
    fc.tuple(tie("sets"), tie("sets")).map(([one, other]): Case => ({
      set: intersection(one.set, other.set),
      holds: (at) => one.holds(at) && other.holds(at)
    })),
    fc.tuple(tie("sets"), tie("sets")).map(([one, other]): Case => ({
      set: difference(one.set, other.set),
      holds: (at) => one.holds(at) && !other.holds(at)
    })),
    tie("sets").map((one): Case => ({ set: complement(one.set), holds: (at) => !one.holds(at) }))
  )
}))

/** All tags of at most four of these letters, and no tag. */
const pool: ReadonlyArray<string | undefined> = (() => {
  const words = [""]
  for (const word of words) if (word.length < 4) words.push(...["a", "b", "c"].map((letter) => word + letter))
  return [undefined, ...words.slice(1)]
})()

const universe: ReadonlyArray<ReferenceSet.Candidate> = [undefined, ...hosts, "c.io"].flatMap((host) =>
  [...names, "c", "b/b", "a/b/d/e"].flatMap((name) => pool.map((tag) => candidate(host, name, tag)))
)

const candidates = fc.constantFrom(...universe)

const law = (name: string, check: (one: Case, other: Case, third: Case) => void) =>
  it(name, () =>
    fc.assert(fc.property(sets, sets, sets, (one, other, third) => {
      check(one, other, third)
    })))

describe("contains", () => {
  const releases = tags("v*").pipe(difference(tags("*-rc*")))
  const rows: ReadonlyArray<
    readonly [name: string, set: ReferenceSet.ReferenceSet, candidate: ReferenceSet.Candidate, expected: boolean]
  > = [
    ["all holds anything", all, candidate("a.io", "a", "v1"), true],
    ["none holds nothing", none, candidate("a.io", "a", "v1"), false],
    ["a registry's host", registry("a.io"), candidate("a.io", "a"), true],
    ["another host", registry("a.io"), candidate("b.io", "a"), false],
    ["one of several hosts", registry("a.io", "b.io"), candidate("b.io", "a"), true],
    ["a longer host", registry("a.io"), candidate("a.io.evil.com", "a"), false],
    ["a subdomain", registry("a.io"), candidate("evil.a.io", "a"), false],
    ["another port", registry("a.io"), candidate("a.io:443", "a"), false],
    ["a host given in upper case", registry("A.io"), candidate("a.io", "a"), true],
    ["a host asked in upper case", registry("a.io"), candidate("A.IO", "a"), true],
    ["an IPv6 host given otherwise", registry("[0:0::1]:80"), candidate("[::1]:80", "a"), true],
    ["a host __proto__", registry("a.io"), candidate("__proto__", "a"), false],
    ["no host is not one", registry("a.io"), candidate(undefined, "a"), false],
    ["no host is another", complement(registry("a.io")), candidate(undefined, "a"), true],
    ["a repository", repository("team/app"), candidate(undefined, "team/app"), true],
    ["a repository with any tag", repository("team/app"), candidate("a.io", "team/app", "x"), true],
    ["a repository below it", repository("team"), candidate(undefined, "team/app"), false],
    ["a repository named constructor", repository("team"), candidate(undefined, "constructor"), false],
    ["below a prefix", prefix("team/"), candidate(undefined, "team/app"), true],
    ["far below a prefix", prefix("team/"), candidate(undefined, "team/a/b"), true],
    ["the prefix itself", prefix("team/"), candidate(undefined, "team"), false],
    ["a longer name than the prefix", prefix("team/"), candidate(undefined, "teams/app"), false],
    ["a prefix further in", prefix("team/"), candidate(undefined, "my/team/app"), false],
    ["a prefix of two components", prefix("team/a/"), candidate(undefined, "team/a/b"), true],
    ["beside a prefix of two components", prefix("team/a/"), candidate(undefined, "team/b/b"), false],
    ["a tag", tags("latest"), candidate(undefined, "a", "latest"), true],
    ["a longer tag", tags("latest"), candidate(undefined, "a", "latest2"), false],
    ["the dot stands for itself", tags("v1.*"), candidate(undefined, "a", "v1x2"), false],
    ["a star for nothing", tags("v*"), candidate(undefined, "a", "v"), true],
    ["a star for more", tags("v*"), candidate(undefined, "a", "v1.2"), true],
    ["the case of tags counts", tags("v*"), candidate(undefined, "a", "V1"), false],
    ["start and end do not share characters", tags("ab*ba"), candidate(undefined, "a", "aba"), false],
    ["start and end side by side", tags("ab*ba"), candidate(undefined, "a", "abba"), true],
    ["parts in turn", tags("*a*b*"), candidate(undefined, "a", "ba"), false],
    ["the end is not shared with a part", tags("*ab*b"), candidate(undefined, "a", "aab"), false],
    ["tags do not hold what has none", tags("*"), candidate(undefined, "a"), false],
    ["untagged holds what has no tag", untagged, candidate(undefined, "a"), true],
    ["untagged does not hold a tag", untagged, candidate(undefined, "a", "v1"), false],
    ["a release", releases, candidate("a.io", "a", "v1"), true],
    ["a candidate of a release", releases, candidate("a.io", "a", "v1-rc1"), false]
  ]
  it.each(rows)("%s", (_, set, at, expected) => {
    expect(contains(set, at)).toBe(expected)
    expect(contains(at)(set)).toBe(expected)
  })

  it("tests the tag of a reference that also has a digest", () => {
    const reference = Reference.make({
      registry: "a.io",
      repository: RepositoryName.make("a"),
      tag: Tag.make("v1"),
      digest: Digest.fromBytes(new Uint8Array())
    })
    expect(contains(tags("v1"), reference)).toBe(true)
    expect(contains(tags("v1"), Reference.withTag(reference, undefined))).toBe(false)
  })

  it("agrees with the definition of the set", () => {
    fc.assert(fc.property(sets, ({ holds, set }) => {
      const wrong = universe.find((at) => contains(set, at) !== holds(at))
      expect(wrong).toBeUndefined()
    }))
  })
})

describe("the algebra", () => {
  law("union commutes", (a, b) => expect(equals(union(a.set, b.set), union(b.set, a.set))).toBe(true))
  law(
    "intersection commutes",
    (a, b) => expect(equals(intersection(a.set, b.set), intersection(b.set, a.set))).toBe(true)
  )
  law(
    "union associates",
    (a, b, c) => expect(equals(union(union(a.set, b.set), c.set), union(a.set, union(b.set, c.set)))).toBe(true)
  )
  law(
    "intersection associates",
    (a, b, c) =>
      expect(equals(intersection(intersection(a.set, b.set), c.set), intersection(a.set, intersection(b.set, c.set))))
        .toBe(true)
  )
  law(
    "union distributes over intersection",
    (a, b, c) =>
      expect(equals(union(a.set, intersection(b.set, c.set)), intersection(union(a.set, b.set), union(a.set, c.set))))
        .toBe(true)
  )
  law(
    "intersection distributes over union",
    (a, b, c) =>
      expect(
        equals(intersection(a.set, union(b.set, c.set)), union(intersection(a.set, b.set), intersection(a.set, c.set)))
      )
        .toBe(true)
  )
  law("absorption", (a, b) => {
    expect(equals(union(a.set, intersection(a.set, b.set)), a.set)).toBe(true)
    expect(equals(intersection(a.set, union(a.set, b.set)), a.set)).toBe(true)
  })
  law("all and none", (a) => {
    expect(equals(union(a.set, none), a.set)).toBe(true)
    expect(equals(intersection(a.set, all), a.set)).toBe(true)
    expect(equals(union(a.set, all), all)).toBe(true)
    expect(isEmpty(intersection(a.set, none))).toBe(true)
  })
  law("complement", (a) => {
    expect(equals(union(a.set, complement(a.set)), all)).toBe(true)
    expect(isEmpty(intersection(a.set, complement(a.set)))).toBe(true)
    expect(equals(complement(complement(a.set)), a.set)).toBe(true)
  })
  law("De Morgan", (a, b) => {
    expect(equals(complement(union(a.set, b.set)), intersection(complement(a.set), complement(b.set)))).toBe(true)
    expect(equals(difference(a.set, b.set), intersection(complement(b.set), a.set))).toBe(true)
  })
  law("includes is the order of the algebra", (a, b) => {
    expect(includes(a.set, b.set)).toBe(equals(union(a.set, b.set), a.set))
    expect(includes(b.set)(a.set)).toBe(equals(intersection(a.set, b.set), b.set))
    expect(includes(union(a.set, b.set), b.set)).toBe(true)
    expect(includes(a.set, a.set)).toBe(true)
  })
})

describe("includes", () => {
  const rows: ReadonlyArray<
    readonly [name: string, set: ReferenceSet.ReferenceSet, that: ReferenceSet.ReferenceSet, expected: boolean]
  > = [
    ["a name below a prefix", prefix("team/"), repository("team/app", "team/a/b"), true],
    ["a name that is not", prefix("team/"), repository("team/app", "team"), false],
    ["a deeper prefix", prefix("team/"), prefix("team/a/"), true],
    ["a prefix above", prefix("team/a/"), prefix("team/"), false],
    ["a prefix beside", prefix("team/"), prefix("teams/"), false],
    ["a narrower glob", tags("v*"), tags("v1.*", "v2*-alpine"), true],
    ["a wider glob", tags("v1.*"), tags("v*"), false],
    ["parts in the same order", tags("*a*b*"), tags("*ab*"), true],
    ["parts in another order", tags("*a*b*"), tags("*b*a*"), false],
    ["a glob that two only cover together", tags("*a*", "*b*"), tags("*ab", "b*"), true],
    ["all tags are not all references", tags("*"), all, false],
    ["tags and no tag are all references", union(tags("*"), untagged), all, true],
    ["one registry of all", registry("a.io"), repository("a"), false],
    ["registries that are none of the named", registry("a.io", "example.org", "1.example.org"), all, false],
    [
      "a name in a registry",
      union(registry("a.io"), prefix("a/")),
      intersection(registry("a.io"), repository("b")),
      true
    ],
    [
      "case by case",
      union(intersection(registry("a.io"), tags("v*")), intersection(complement(registry("a.io")), tags("v1*"))),
      tags("v1*"),
      true
    ]
  ]
  it.each(rows)("%s", (_, set, that, expected) => {
    expect(includes(set, that)).toBe(expected)
    expect(witness(difference(that, set)) === undefined).toBe(expected)
  })

  it("agrees with contains for every reference, and a witness is a counterexample", () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const answer = includes(a.set, b.set)
        const apart = witness(difference(b.set, a.set))
        expect(answer && universe.some((at) => b.holds(at) && !a.holds(at))).toBe(false)
        expect(apart === undefined).toBe(answer)
        expect(apart === undefined || (b.holds(apart) && !a.holds(apart))).toBe(true)
      }),
      { numRuns: 1000 }
    )
  })
})

describe("witness", () => {
  it("returns a member if the set has any", () => {
    fc.assert(fc.property(sets, candidates, ({ holds, set }, at) => {
      const shown = witness(set)
      expect(isEmpty(set)).toBe(shown === undefined)
      expect(holds(at) && shown === undefined).toBe(false)
      if (shown === undefined) return
      expect(holds(shown)).toBe(true)
      expect(Reference.parse(Reference.format(shown))).toEqual(Either.right(shown))
    }))
  })

  const tagCharacters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"]
  const longest = "a".repeat(127)
  const below = (start: string) => [..."abcdefghijklmnopqrstuvwxyz0123456789"].map((last) => start + last)
  const deep = `${"a".repeat(253)}/`
  const deeper = `${"a".repeat(252)}/`

  const empty: ReadonlyArray<readonly [name: string, set: ReferenceSet.ReferenceSet]> = [
    ["nothing listed", union(repository(), union(registry(), union(tags(), prefix())))],
    ["two hosts at once", intersection(registry("a.io"), registry("b.io"))],
    ["two names at once", intersection(repository("a"), repository("b"))],
    ["two tags at once", intersection(tags("a"), tags("b"))],
    ["a tag and none", intersection(tags("*"), untagged)],
    [
      "a start and an end that are too long together",
      intersection(tags(`${"a".repeat(65)}*`), tags(`*${"b".repeat(64)}`))
    ],
    [
      "one glob that is too long with its star",
      tags(`${"a".repeat(63)}*${"b".repeat(64)}`).pipe(
        difference(tags(...tagCharacters.map((char) => `${"a".repeat(63)}${char}${"b".repeat(64)}`))),
        difference(tags(`${"a".repeat(63)}${"b".repeat(64)}`))
      )
    ],
    [
      "a long glob without each of its tags",
      difference(tags(`${longest}*`), tags(longest, ...tagCharacters.map((last) => longest + last)))
    ],
    [
      "every first character",
      difference(tags("*"), tags(...tagCharacters.slice(0, -2).map((first) => `${first}*`)))
    ],
    ["a long prefix without each of its names", difference(prefix(deep), repository(...below(deep)))]
  ]
  it.each(empty)("finds that %s is empty", (_, set) => {
    expect(isEmpty(set)).toBe(true)
  })

  const small: ReadonlyArray<readonly [name: string, set: ReferenceSet.ReferenceSet, member: string]> = [
    [
      "the one tag of a start and an end",
      intersection(tags(`${"a".repeat(64)}*`), tags(`*${"b".repeat(64)}`)),
      `:${"a".repeat(64)}${"b".repeat(64)}`
    ],
    [
      "a start and an end that share",
      intersection(tags("aba*"), tags("*bab")).pipe(difference(tags("*aa*", "*bb*"))),
      ":abab"
    ],
    [
      "the last name",
      difference(prefix(deep), repository(...below(deep).filter((name) => !name.endsWith("q")))),
      `/${deep}q`
    ],
    [
      "a name of two when those of one are taken",
      difference(prefix(deeper), repository(...below(deeper))).pipe(
        difference(repository(...below(deeper).flatMap(below).filter((name) => !name.endsWith("zq"))))
      ),
      `/${deeper}zq`
    ],
    [
      "the last character",
      difference(
        tags(`${longest}*`),
        tags(longest, ...tagCharacters.slice(0, -1).map((last) => longest + last))
      ),
      `:${longest}-`
    ]
  ]
  it.each(small)("finds %s", (_, set, member) => {
    expect(Reference.format(witness(set)!)).toContain(member)
  })

  it("supports hundreds of names, prefixes and globs", () => {
    const numbers = Array.from({ length: 150 }, (_, index) => `${index}`)
    const set = union(repository(...numbers), prefix(...numbers.map((text) => `${text}/`))).pipe(
      intersection(tags(...numbers.map((text) => `v${text}.*`))),
      difference(tags(...numbers.map((text) => `*-${text}`))),
      difference(registry("a.io"))
    )
    expect(includes(tags("v1*"), set)).toBe(false)
    expect(includes(tags("v*"), set)).toBe(true)
  })

  it("supports globs that all overlap", () => {
    const overlapping = [..."abcdefgh"].map((letter) => tags(`*${letter}*`))
    const every = overlapping.reduce((one, other) => intersection(one, other))
    expect(includes(every, tags("*abcd*efgh*"))).toBe(true)
    expect(includes(tags("*a*b*"), every)).toBe(false)
    expect(includes(overlapping.reduce((one, other) => union(one, other)), every)).toBe(true)
  })

  it("supports any number of globs that are excluded one by one", () => {
    const left = [..."abcdefghijklmnopqrstuvwxyz"].reduce((set, letter) => difference(set, tags(`*${letter}*`)), all)
    expect(isEmpty(intersection(left, tags("*m*")))).toBe(true)
    expect(includes(left, tags("0*1"))).toBe(false)
    expect(includes(left, tags("01"))).toBe(true)
  })
})

describe("touches", () => {
  const set = union(
    intersection(prefix("team/"), tags("v*")),
    intersection(registry("a.io"), repository("app")).pipe(intersection(untagged))
  )
  const rows: ReadonlyArray<readonly [host: string | undefined, name: string, expected: boolean]> = [
    [undefined, "team/app", true],
    ["a.io", "team/app", true],
    ["a.io", "app", true],
    ["b.io", "app", false],
    [undefined, "app", false],
    [undefined, "team", false]
  ]
  it.each(rows)("%s %s: %s", (host, name, expected) => {
    const location = { registry: host, repository: RepositoryName.make(name) }
    expect(touches(set, location)).toBe(expected)
    expect(touches(location)(set)).toBe(expected)
  })

  it("is false if the globs exclude everything", () => {
    const location = { repository: RepositoryName.make("a") }
    expect(touches(intersection(tags("a*"), tags("b*")), location)).toBe(false)
    expect(touches(difference(tags("a*"), tags("*")), location)).toBe(false)
    expect(touches(intersection(tags("a*"), tags("*b")), location)).toBe(true)
  })

  it("is true exactly if the set and the repository have a common member", () => {
    fc.assert(fc.property(sets, fc.constantFrom(...hosts), fc.constantFrom(...names), ({ holds, set }, host, name) => {
      const location = { registry: host, repository: RepositoryName.make(name) }
      const touched = touches(set, location)
      expect(touched).toBe(!isEmpty(intersection(set, intersection(registry(host), repository(name)))))
      expect(!touched && pool.some((tag) => holds(candidate(host, name, tag)))).toBe(false)
    }))
  })
})

describe("a set", () => {
  const shown: ReadonlyArray<readonly [set: ReferenceSet.ReferenceSet, text: string]> = [
    [all, "all"],
    [none, "none"],
    [complement(all), "none"],
    [complement(none), "all"],
    [registry(), "none"],
    [union(all, tags("a")), "all"],
    [intersection(tags("a"), none), "none"],
    [untagged, "!tags(*)"],
    [registry("GHCR.io", "a.io"), "registry(ghcr.io, a.io)"],
    [union(prefix("team/"), repository("a", "b")), "repository(a, b) | prefix(team/)"],
    [
      registry("ghcr.io").pipe(intersection(prefix("team/")), difference(tags("*-rc"))),
      "registry(ghcr.io) & prefix(team/) & !tags(*-rc)"
    ],
    [
      all.pipe(difference(tags("*-rc")), difference(prefix("a/")), difference(tags("*-b"))),
      "!(tags(*-rc, *-b) | prefix(a/))"
    ],
    [intersection(tags("v*"), union(prefix("a/"), repository("b"))), "tags(v*) & (repository(b) | prefix(a/))"],
    [complement(union(tags("v*"), prefix("a/"))), "!(tags(v*) | prefix(a/))"],
    [complement(intersection(tags("v*"), prefix("a/"))), "!(tags(v*) & prefix(a/))"],
    [union(tags("a"), intersection(tags("v*"), prefix("a/"))), "tags(a) | tags(v*) & prefix(a/)"],
    [tags(..."abcdefghij"), "tags(a, b, c, d, e, f, g, h, and 2 more)"]
  ]
  it.each(shown)("%s is displayed as it was created", (set, text) => {
    expect(String(set)).toBe(text)
    expect(JSON.stringify(set)).toBe(JSON.stringify(text))
  })

  it("is displayed in at most one line", () => {
    const many = Array.from({ length: 200 }, (_, index) => intersection(tags(`v${index}`), prefix("team/")))
    expect(String(many.reduce((one, other) => union(one, other)))).toHaveLength(1025)
  })

  it("is distinguished from other values", () => {
    expect(ReferenceSet.is(all)).toBe(true)
    expect(ReferenceSet.is({})).toBe(false)
    expect(ReferenceSet.is("all")).toBe(false)
  })

  const refused: ReadonlyArray<readonly [make: () => unknown, message: string]> = [
    [() => registry("ghcr.io", "team"), "invalid registry \"team\": the host has no dot and no port"],
    [() => registry("ghcr.io/team"), "invalid registry"],
    [() => repository("team/App"), "invalid repository name \"team/App\": components"],
    [() => prefix("team"), "invalid repository prefix \"team\": it does not end with a slash"],
    [() => prefix(""), "invalid repository prefix"],
    [() => prefix("/"), "invalid repository prefix \"/\": it is empty"],
    [() => prefix("a//"), "invalid repository prefix"],
    [() => prefix("../"), "invalid repository prefix"],
    [() => prefix(`${"a".repeat(254)}/`), "no name of at most 255 characters is below it"],
    [() => tags(""), "invalid tag glob \"\": it is empty"],
    [() => tags("v*", "v?"), "invalid tag glob \"v?\": a glob is"],
    [() => tags("v[12]"), "invalid tag glob"],
    [() => tags(".*"), "invalid tag glob"],
    [() => tags("v*\n"), "invalid tag glob"],
    [() => tags("a".repeat(129)), "it is longer than 128"]
  ]
  it.each(refused)("is not created by %s", (make, message) => {
    expect(make).toThrow(message)
  })
})
