import { Body, Descriptor, Operation, RepositoryName, Tag } from "@effect-oci/core"
import type { Handler, RegistryError } from "@effect-oci/core"
import { Recording, Replay } from "@effect-oci/recording"
import * as samples from "@effect-oci/testing/RegistrySamples"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Stream } from "effect"

const repository = RepositoryName.make("team/app")
const a = Descriptor.fromBytes(new TextEncoder().encode("a"))
const b = Descriptor.fromBytes(new TextEncoder().encode("b"))
const resolve = new Operation.ResolveManifest({ repository, reference: Tag.make("v1") })

const replay = (...entries: ReadonlyArray<Recording.Entry>): Handler.Handler =>
  Replay.handler({ name: "session.jsonl", entries })

const line = (operation: Operation.ResolveManifest, result: Descriptor.Descriptor): Recording.Entry => ({
  version: 1,
  operation,
  result
})

describe("Replay", () => {
  it.effect("returns the responses to equal operations in order, and then repeats the last one", () =>
    Effect.gen(function*() {
      const other = new Operation.ResolveManifest({ repository, reference: Tag.make("v2") })
      const handle = replay(line(resolve, a), line(other, b), line(resolve, b))
      expect(yield* handle(resolve)).toEqual(a)
      expect(yield* handle(other)).toEqual(b)
      expect(yield* handle(new Operation.ResolveManifest({ ...resolve }))).toEqual(b)
      expect(yield* handle(resolve)).toEqual(b)
    }))

  it.effect("refuses an operation that was not recorded, and names the recorded ones", () =>
    Effect.gen(function*() {
      const handle = replay(line(resolve, a))
      const error = yield* Effect.flip(
        handle(new Operation.ResolveManifest({ repository, reference: Tag.make("v9") }))
      )
      expect(error).toMatchObject({ _tag: "OciRefused", by: "Replay", repository, reference: "v9" })
      expect(error.reason).toBe(
        "session.jsonl contains no response to { repository team/app, reference v9 }; it contains responses to " +
          "{ repository team/app, reference v1 }"
      )
      const none = yield* Effect.flip(handle(new Operation.ListTags({ repository })))
      expect(none.reason).toBe(
        "session.jsonl contains no response to { repository team/app }; it contains no ListTags (number of operations: 1)"
      )
      const upload = yield* Effect.flip(handle(new Operation.GetUpload({ repository, id: samples.canary })))
      expect(JSON.stringify(upload)).not.toContain(samples.canary)
    }))

  it.effect("compares bodies by their bytes", () =>
    Effect.gen(function*() {
      const bytes = new TextEncoder().encode("abc")
      const descriptor = Descriptor.fromBytes(bytes)
      const push = (body: Body.Body) => new Operation.PushBlob({ repository, descriptor, body })
      const handle = replay({
        version: 1,
        operation: { ...push(Body.empty), body: { digest: descriptor.digest, size: 3 } },
        result: descriptor
      })
      const pieces = Stream.make(bytes.subarray(0, 1), bytes.subarray(1))
      for (const body of [Body.bytes(bytes), Body.stream(pieces)]) {
        expect(yield* handle(push(body))).toEqual(descriptor)
      }
      expect((yield* Effect.flip(handle(push(Body.bytes(bytes.subarray(1))))))._tag).toBe("OciRefused")
      const broken = Body.stream(Stream.fail("gone"))
      expect((yield* Effect.flip(handle(push(broken))))._tag).toBe("OciBodyFailed")
    }))

  it.effect("accepts any body if the registry did not read it", () =>
    Effect.gen(function*() {
      const denied = { _tag: "OciDenied" } as RegistryError.Denied
      const operation = new Operation.PushBlob({ repository, descriptor: a, body: Body.empty })
      const handle = replay({
        version: 1,
        operation: { ...operation, body: { digest: b.digest, size: 1, ended: "early" } },
        error: denied
      })
      const push = new Operation.PushBlob({ ...operation, body: Body.stream(Stream.make(new Uint8Array(9))) })
      expect(yield* Effect.exit(handle(push))).toEqual(Exit.fail(denied))
    }))
})

describe("a recording", () => {
  const good = Recording.encode(line(resolve, a))

  it.each([
    ["text that is not JSON", "{", "the line is not JSON"],
    ["a line without a version", "{}", "the line has no \"version\", so it is not part of a recording"],
    ["a later version", "{\"version\":2}", "the line has version 2; only version 1 is supported"],
    [
      "an unknown operation",
      "{\"version\":1,\"operation\":{\"_tag\":\"toString\"}}",
      /^"operation" must be one of ResolveBlob, /
    ],
    ["an invalid repository name", good.replace("team/app", "Team"), /^operation\.repository: /],
    [
      "a result of another operation",
      good.replace(/"result".*/, "\"result\":{\"items\":[]}}"),
      /^result\.mediaType: is missing/
    ],
    ["a line without a result", good.replace(/,"result".*/, "}"), "result: is missing"],
    ["an unknown error", good.replace(/"result".*/, "\"error\":{\"_tag\":\"Nope\"}}"), /^error/],
    [
      "content that does not match its digest",
      "{\"version\":1,\"operation\":{\"_tag\":\"GetManifest\",\"repository\":\"a\",\"reference\":\"v1\"}," +
      `"result":{"descriptor":${JSON.stringify(a)},"content":{"digest":"${a.digest}","size":1,"text":"b"}}}`,
      `result.content: content has digest ${b.digest}, not ${a.digest}`
    ]
  ])("fails with the file and the line: %s", (_, bad, reason) => {
    const parsed = Recording.parse(`${good}\n\n${bad}\n`, { name: "session.jsonl" })
    const error = Either.getOrThrowWith(Either.flip(parsed), () => new Error("the recording is valid"))
    expect(error).toMatchObject({ _tag: "OciRecordingInvalid", file: "session.jsonl", line: 3 })
    expect(error.reason).toEqual(typeof reason === "string" ? reason : expect.stringMatching(reason))
    expect(error.message).toBe(`session.jsonl:3: ${error.reason}`)
  })

  it("contains text as text, and other bytes as base64", () => {
    const of = (bytes: Uint8Array) =>
      JSON.parse(Recording.encode({
        version: 1,
        operation: { ...new Operation.GetManifest({ repository, reference: a.digest }) },
        result: { descriptor: a, content: { ...Descriptor.fromBytes(bytes), bytes } }
      })) as { readonly result: { readonly content: object } }
    expect(of(new TextEncoder().encode("\uFEFFé")).result.content).toMatchObject({ text: "\uFEFFé" })
    expect(of(Uint8Array.of(0xFF, 0)).result.content).toMatchObject({ base64: "/wA=" })
  })
})
