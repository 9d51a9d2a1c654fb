import { Digest, MediaType } from "@effect-oci/core"
import type { Operation } from "@effect-oci/core"
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

type Condition = Pick<Operation.PushManifest, "ifAbsent" | "ifMatch">

const ifMatch = Digest.fromBytes(new TextEncoder().encode("the manifest before"))

const push = (answers: { readonly [line: string]: Answer }, condition: Condition) =>
  Effect.gen(function*() {
    const server = yield* serve(routes(answers))
    const registry = yield* connect(server)
    const pushed = yield* Effect.either(
      registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag], ...condition })
    )
    return { pushed, lines: server.lines() }
  })

const conditions: ReadonlyArray<Condition> = [{ ifAbsent: true }, { ifMatch }]

describe.each(conditions)("a push with %j", (condition) => {
  const lost: ReadonlyArray<readonly [name: string, answer: Answer]> = [
    ["the connection breaks", { raw: (response) => void response.socket?.destroy() }],
    ["a proxy gives up waiting (504)", { status: 504 }]
  ]
  it.scoped.each(lost)("succeeds if the manifest is found after %s", ([, answer]) =>
    Effect.gen(function*() {
      const answers = { [put]: answer, [head]: found(imageDescriptor.digest), [again]: { status: 201 } }
      const { lines, pushed } = yield* push(answers, condition)
      expect(pushed).toMatchObject({ _tag: "Right", right: { digest: imageDescriptor.digest, tags: [tag] } })
      expect(lines).toEqual([put, head, again])
    }))

  it.scoped.each(lost)(
    "fails after %s if the tag is absent or points to another manifest",
    ([, answer]) =>
      Effect.gen(function*() {
        for (const other of [{ status: 404 }, found(`sha256:${"0".repeat(64)}`)]) {
          const { lines, pushed } = yield* push({ [put]: answer, [head]: other }, condition)
          expect(pushed).toMatchObject({ _tag: "Left", left: { operation: "PushManifest", repository } })
          expect(lines).toEqual([put, head])
        }
      })
  )

  it.scoped("fails without looking for the tag if the registry refuses it", () =>
    Effect.gen(function*() {
      const { lines, pushed } = yield* push(
        { [put]: { status: 412 }, [head]: found(imageDescriptor.digest) },
        condition
      )
      expect(pushed._tag).toBe("Left")
      expect(lines).toEqual([put])
    }))
})

it.scoped("a push without a condition does not look for its tag after a lost answer", () =>
  Effect.gen(function*() {
    const { lines } = yield* push({ [put]: { status: 504 }, [head]: found(imageDescriptor.digest) }, {})
    expect(lines).toEqual([put])
  }))

it.scoped("a push with two conditions sends nothing", () =>
  Effect.gen(function*() {
    const { lines, pushed } = yield* push({}, { ifAbsent: true, ifMatch })
    expect(pushed).toMatchObject({ _tag: "Left", left: { _tag: "OciDenied", operation: "PushManifest", repository } })
    expect(lines).toEqual([])
  }))

it.scoped("a refused push says where the tag points", () =>
  Effect.gen(function*() {
    const reason = `tag "v1" exists and points at ${imageDescriptor.digest}`
    const body = { errors: [{ code: "DENIED", message: reason, detail: { tag, digest: imageDescriptor.digest } }] }
    const { pushed } = yield* push({ [put]: { status: 412, body: JSON.stringify(body) } }, { ifMatch })
    expect(pushed).toMatchObject({
      _tag: "Left",
      left: { _tag: "OciDenied", status: 412, reason, detail: { tag, digest: imageDescriptor.digest } }
    })
  }))
