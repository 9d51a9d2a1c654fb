import { MediaType } from "@effect-oci/core"
import { connect, routes, serve } from "@effect-oci/testing/NodeScripted"
import type { Answer } from "@effect-oci/testing/NodeScripted"
import { image, imageDescriptor, repository, tag } from "@effect-oci/testing/Samples"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

const manifest = (reference: string) => `/v2/team/app/manifests/${reference}`
const put = `PUT ${manifest(tag)}`
const head = `HEAD ${manifest(tag)}`
const again = `PUT ${manifest(imageDescriptor.digest)}`

const found = (digest: string): Answer => ({
  status: 200,
  headers: { "docker-content-digest": digest, "content-type": MediaType.image, "content-length": `${image.byteLength}` }
})

const push = (answers: { readonly [line: string]: Answer }, ifAbsent: boolean) =>
  Effect.gen(function*() {
    const server = yield* serve(routes(answers))
    const registry = yield* connect(server)
    const pushed = yield* Effect.either(
      registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag], ifAbsent })
    )
    return { pushed, lines: server.lines() }
  })

describe("a push with ifAbsent", () => {
  const lost: ReadonlyArray<readonly [name: string, answer: Answer]> = [
    ["the connection breaks", { raw: (response) => void response.socket?.destroy() }],
    ["a proxy gives up waiting (504)", { status: 504 }]
  ]
  it.scoped.each(lost)("succeeds if the manifest is found after %s", ([, answer]) =>
    Effect.gen(function*() {
      const answers = { [put]: answer, [head]: found(imageDescriptor.digest), [again]: { status: 201 } }
      const { lines, pushed } = yield* push(answers, true)
      expect(pushed).toMatchObject({ _tag: "Right", right: { digest: imageDescriptor.digest, tags: [tag] } })
      expect(lines).toEqual([put, head, again])
    }))

  it.scoped.each(lost)(
    "fails after %s if the tag is absent or points to another manifest",
    ([, answer]) =>
      Effect.gen(function*() {
        for (const other of [{ status: 404 }, found(`sha256:${"0".repeat(64)}`)]) {
          const { lines, pushed } = yield* push({ [put]: answer, [head]: other }, true)
          expect(pushed).toMatchObject({ _tag: "Left", left: { operation: "PushManifest", repository } })
          expect(lines).toEqual([put, head])
        }
      })
  )

  it.scoped("fails without looking for the tag if the registry refuses it", () =>
    Effect.gen(function*() {
      const { lines, pushed } = yield* push({ [put]: { status: 412 }, [head]: found(imageDescriptor.digest) }, true)
      expect(pushed._tag).toBe("Left")
      expect(lines).toEqual([put])
    }))
})

it.scoped("a push without ifAbsent does not look for its tag after a lost answer", () =>
  Effect.gen(function*() {
    const { lines } = yield* push({ [put]: { status: 504 }, [head]: found(imageDescriptor.digest) }, false)
    expect(lines).toEqual([put])
  }))
