import { Descriptor, RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { DistributionSource } from "../src/index.js"

const layer = Descriptor.fromBytes(new TextEncoder().encode("a layer"))

const saying = (value: string): Descriptor.Descriptor => ({
  ...layer,
  annotations: { "containerd.io/distribution.source.ghcr.io": value, other: "kept" }
})

const add = (descriptor: Descriptor.Descriptor, repository: string, host = "ghcr.io") =>
  DistributionSource.add(descriptor, { host, repository: RepositoryName.make(repository) })

describe("the distribution source", () => {
  it("is read in the form of other programs, also if it is invalid", () => {
    for (
      const [value, expected] of [
        ["library/app", ["library/app"]],
        ["library/app,team/app", ["library/app", "team/app"]],
        [" library/app , team/app ", ["library/app", "team/app"]],
        ["", []],
        ["../../etc,Upper,library/app", ["library/app"]],
        ["a,".repeat(1_000_000), Array.from({ length: 16 }, () => "a")]
      ] as const
    ) {
      expect(DistributionSource.repositories(saying(value), "ghcr.io")).toEqual(expected)
    }
    expect(DistributionSource.repositories(saying("library/app"), "docker.io")).toEqual([])
    expect(DistributionSource.repositories(layer, "ghcr.io")).toEqual([])
    const inherited = { ...layer, annotations: {} }
    expect(DistributionSource.repositories(inherited, "__proto__")).toEqual([])
  })

  it("is written for each registry, with each repository once, and a limited number of them", () => {
    const once = add(saying("library/app"), "team/app")
    expect(once.annotations).toEqual({
      "containerd.io/distribution.source.ghcr.io": "library/app,team/app",
      other: "kept"
    })
    expect(DistributionSource.repositories(add(once, "library/app"), "ghcr.io")).toEqual(["team/app", "library/app"])
    expect(DistributionSource.repositories(add(once, "other", "docker.io"), "ghcr.io")).toEqual([
      "library/app",
      "team/app"
    ])
    const many = Array.from({ length: 40 }, (_, index) => `r${index}`).reduce((each, name) => add(each, name), layer)
    expect(DistributionSource.repositories(many, "ghcr.io")).toEqual(
      Array.from({ length: 16 }, (_, index) => `r${index + 24}`)
    )
    expect(layer.annotations).toBeUndefined()
  })
})
