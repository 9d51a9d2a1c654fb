/** The parts of the page that need no browser. */
import { RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { gzipSync } from "node:zlib"
import * as archive from "../app/archive.js"
import { decompressed } from "../app/decompress.js"
import * as difference from "../app/difference.js"
import * as documents from "../app/documents.js"
import { explain } from "../app/explain.js"
import * as format from "../app/format.js"
import * as grants from "../app/grants.js"
import * as imageConfig from "../app/imageConfig.js"
import * as route from "../app/route.js"
import * as tree from "../app/tree.js"
import { byVersion } from "../app/versions.js"

const home = "http://localhost:5000"
const hex = "a".repeat(64)

describe("addresses", () => {
  it.each([
    "#/",
    "#/team/app",
    "#/team/app:v1",
    `#/team/app@sha256:${hex}`,
    `#/team/app:v1@sha256:${hex}?layer=sha256%3A${hex}&file=etc%2Fpasswd`,
    "#/team/app:v1?compare=v2",
    "#https://registry.example.com/",
    "#https://registry.example.com/team/app:v1",
    "#http://[::1]:5001/team/app"
  ])("%s is parsed and formatted to itself", (fragment) => {
    expect(route.format(Either.getOrThrow(route.parse(fragment, home)), home)).toBe(fragment)
  })

  it.each(["#/Team", "#/a//b", "#/app:", "#/app@sha256:1", "#/<script>", "#https://user@example.com/app", "#/a b"])(
    "%s is no address",
    (fragment) => expect(Either.isLeft(route.parse(fragment, home))).toBe(true)
  )

  it.each([
    ["team/app", "#/team/app"],
    ["app", "#/app"],
    ["app:v1", "#/app:v1"],
    ["registry.example.com/team/app:v1", "#https://registry.example.com/team/app:v1"],
    ["localhost:5001", "#http://localhost:5001/"],
    ["127.0.0.1:5001/app", "#http://127.0.0.1:5001/app"],
    ["https://registry.example.com", "#https://registry.example.com/"],
    ["http://localhost:5000/team/app", "#/team/app"]
  ])("a user who types %s opens %s", (typed, fragment) => {
    expect(Either.map(route.open(typed, home, home), (place) => route.format(place, home))).toEqual(
      Either.right(fragment)
    )
  })
})

describe("lists", () => {
  it("sorts versions from the newest to the oldest, and then other tags by name", () => {
    expect(byVersion(["latest", "v1.9.0", "1.10", "v1.10.0", "v2.0.0-rc.2", "v2.0.0-rc.10", "v2.0.0", "b10", "b9"]))
      .toEqual([
        "v2.0.0",
        "v2.0.0-rc.10",
        "v2.0.0-rc.2",
        "v1.10.0",
        "1.10",
        "v1.9.0",
        "b9",
        "b10",
        "latest"
      ])
  })

  it("makes a tree of names, with the number of repositories below each folder", () => {
    const root = tree.make(["a", "team/one", "team/sub/two"])
    expect([root.total, root.names, [...root.folders.keys()]]).toEqual([3, ["a"], ["team/"]])
    const team = root.folders.get("team/")
    expect([team?.total, team?.names, [...team?.folders.keys() ?? []]]).toEqual([2, ["team/one"], ["team/sub/"]])
  })

  it("finds names with all words of a search, in any order and case", () => {
    const found = ["team/web-app", "team/app", "other"].filter(tree.matching("APP web"))
    expect(found).toEqual(["team/web-app"])
  })
})

describe("texts of registries", () => {
  it.each([
    ["../../etc/passwd", "passwd"],
    ["a\u202Egnp.exe", "a\\u202egnp.exe".split("\\").at(-1)],
    [`a<b>:"c|d?*`, "a_b___c_d__"],
    ["..", "file"],
    ["", "file"]
  ])("%j is downloaded as %s", (name, expected) => expect(format.fileName(name)).toBe(expected))

  it.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "https://user:password@example.com/",
    "ftp://example.com",
    "text"
  ])(
    "%s is no link",
    (text) => expect(format.webAddress(text)).toBeUndefined()
  )
})

describe("images", () => {
  const layer = (digest: string) => ({ digest, size: 1, mediaType: "layer" }) as never

  it("pairs the lines of the history with the layers, if their numbers are equal", () => {
    const { history } = imageConfig.make({
      history: [{ created_by: "/bin/sh -c #(nop) ADD x" }, { created_by: "ENV", empty_layer: true }, {
        created_by: "RUN y"
      }]
    })
    expect(imageConfig.steps(history, [layer("a"), layer("b")]).map(({ layer, step }) => [step?.command, layer]))
      .toEqual([
        ["ADD x", layer("a")],
        ["ENV", undefined],
        ["RUN y", layer("b")]
      ])
    expect(imageConfig.steps(history, [layer("a")])).toEqual([{ step: undefined, layer: layer("a") }])
  })

  it.each([undefined, null, [], "text", { config: null, history: {} }, {
    config: { Env: [1, null], Labels: [] },
    history: [null]
  }])(
    "reads the config %j without failing",
    (config) => expect(imageConfig.make(config).environment).toEqual([])
  )

  it("compares packages, and files by size, time and link", () => {
    const entry = (path: string, size: number) =>
      ({ path, size, type: "file", modified: new Date(0), mode: 0, link: undefined }) as const
    expect(
      difference.files([entry("a", 1), entry("b", 1)], [entry("a", 1), entry("b", 2), entry("c", 3)]).map(({ name }) =>
        name
      )
    )
      .toEqual(["b", "c"])
    const library = (version: string) => ({ name: "library", version, license: "", purl: "" })
    expect(difference.packages([library("1")], [library("2")])).toEqual([{ name: "library", before: "1", after: "2" }])
  })
})

describe("documents", () => {
  it("finds the packages of an SPDX document in a signed attestation", () => {
    const statement = {
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://spdx.dev/Document",
      predicate: {
        spdxVersion: "SPDX-2.3",
        packages: [{ name: "a", versionInfo: "1", licenseConcluded: "NOASSERTION" }]
      }
    }
    const envelope = {
      payloadType: "application/vnd.in-toto+json",
      payload: btoa(JSON.stringify(statement)),
      signatures: []
    }
    expect(documents.packagesOf(documents.read({ dsseEnvelope: envelope }))).toEqual([
      { name: "a", version: "1", license: "", purl: "" }
    ])
  })

  it("ends at envelopes in envelopes, and reads what is malformed as other JSON", () => {
    let value: unknown = "end"
    for (let depth = 0; depth < 50; depth++) value = { dsseEnvelope: value }
    expect(documents.packagesOf(documents.read(value))).toEqual([])
    for (
      const malformed of [undefined, null, 1, { spdxVersion: "x", packages: [null, 1, {}] }, {
        payload: "%",
        payloadType: "x"
      }]
    ) {
      expect(() => documents.packagesOf(documents.read(malformed))).not.toThrow()
    }
  })
})

describe("layers", () => {
  const one = async function*(...pieces: ReadonlyArray<Uint8Array>) {
    yield* pieces
  }
  const read = async (...pieces: ReadonlyArray<Uint8Array>) => {
    const all: Array<Uint8Array> = []
    for await (const piece of decompressed(one(...pieces))) all.push(piece)
    return Buffer.concat(all).toString()
  }

  it("decompresses gzip of several members, in pieces of any size", async () => {
    const bytes = Buffer.concat([gzipSync("hello "), gzipSync(""), gzipSync("world")])
    expect(await read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe("hello world")
  })

  it("decompresses zstd, and refuses a frame that needs too much memory", async () => {
    const magic = [0x28, 0xb5, 0x2f, 0xfd]
    // One frame of 5 bytes, in one block that is not compressed.
    const frame = Uint8Array.from([...magic, 0x20, 5, 0x29, 0, 0, ...Buffer.from("hello")])
    expect(await read(frame.subarray(0, 7), frame.subarray(7), frame)).toBe("hellohello")
    const window = Uint8Array.from([...magic, 0, 0xa0, 0x29, 0, 0, ...Buffer.from("hello")])
    await expect(read(window)).rejects.toThrow("zstd window")
  })

  it("passes content that is not compressed, and names a compression that it does not read", async () => {
    expect(await read(Buffer.from("plain"))).toBe("plain")
    expect(await read()).toBe("")
    await expect(read(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))).rejects.toThrow("xz")
    await expect(read(Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 255, 255]))).rejects.toThrow("not valid gzip")
  })

  it("lists a folder with folders first, and the sizes below them", () => {
    const entry = (path: string, size: number, type = "file") => ({ path: archive.pathOf(path), size, type }) as never
    const entries = [entry("./b/", 0, "directory"), entry("./b/x", 3), entry("b/y/z", 4), entry("a", 1)]
    expect(archive.folder(entries, "").map(({ isFolder, name, size }) => [name, isFolder, size])).toEqual([
      ["b", true, 7],
      ["a", false, 1]
    ])
    expect(archive.folder(entries, "b").map(({ name }) => name)).toEqual(["y", "x"])
  })
})

describe("errors", () => {
  /** Two sentences: what happened, and what to do. */
  const areSentences = (error: RegistryError.RegistryError) => {
    const { advice, what } = explain(error, home)
    for (const text of [what, advice]) expect(text).toMatch(/^(?:[A-Z]|http).+\.$/)
    return `${what} ${advice}`
  }

  it.each(Object.keys(RegistryError.classes) as Array<RegistryError.RegistryError["_tag"]>)(
    "%s is a sentence with what to do",
    (tag) => {
      const fields = { realm: "https://tokens.example/", by: "Policy", members: [], outcomes: [], code: "X" }
      areSentences(new (RegistryError.classes[tag] as unknown as typeof RegistryError.Unavailable)(fields))
    }
  )

  it("tells apart what errors of one kind mean", () => {
    expect(areSentences(new RegistryError.Denied({ status: 412 }))).toContain("The tag exists already.")
    expect(areSentences(new RegistryError.Denied({ status: 507 }))).toContain("no room")
    expect(areSentences(new RegistryError.SizeInvalid({ status: 413 }))).toContain("larger than the registry takes")
    expect(areSentences(new RegistryError.SizeInvalid({ limit: 5 }))).toContain("larger than the page reads")
    expect(areSentences(new RegistryError.TooManyRequests({ retryAfter: 20_000 }))).toContain("Wait for 20 seconds")
  })
})

describe("what a token grants", () => {
  const tokenOf = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`
  const access = (...entries: ReadonlyArray<readonly [name: string, ...actions: ReadonlyArray<string>]>) =>
    tokenOf({ access: entries.map(([name, ...actions]) => ({ type: "repository", name, actions })) })

  it.each([
    ["a part of what was requested", access(["team/app", "pull", "push"], ["team/b", "delete"]), ["pull", "push"]],
    ["nothing", access(), []],
    ["nothing, as Go encodes it", tokenOf({ access: null }), []]
  ])("%s", (_, token, granted) => expect(grants.read(token, "team/app")).toEqual(new Set(granted)))

  it.each([
    ["is no JWT", "opaque"],
    ["does not say it", tokenOf({ sub: "alice" })],
    ["has another form", tokenOf({ access: "all" })],
    ["says it of another name, as behind a proxy that rewrites names", access(["library/app", "pull"])]
  ])("is unknown if the token %s", (_, token) => expect(grants.read(token, "team/app")).toBeUndefined())
})
