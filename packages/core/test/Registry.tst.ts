import type { BlobContent, Descriptor, Digest, Middleware, RepositoryName, Tag } from "@effect-oci/core"
import { Registry, RegistryError } from "@effect-oci/core"
import type { Layer, Scope, Stream } from "effect"
import { Context, Effect } from "effect"
import { describe, expect, test } from "tstyche"

declare const repository: RepositoryName.RepositoryName
declare const digest: Digest.Digest
declare const tag: Tag.Tag
declare const registry: Registry.Service
declare const middleware: Middleware.Middleware

class Clock extends Context.Tag("Clock")<Clock, number>() {}

type Failure = RegistryError.RegistryError
type Name = RepositoryName.RepositoryName

describe("a registry's methods", () => {
  test("accept only parsed names, and no plain text", () => {
    type Get = Parameters<Registry.Service["getManifest"]>
    expect<[Name, Tag.Tag]>().type.toBeAssignableTo<Get>()
    expect<[Name, Digest.Digest]>().type.toBeAssignableTo<Get>()
    expect<[string, Tag.Tag]>().type.not.toBeAssignableTo<Get>()
    expect<[Name, string]>().type.not.toBeAssignableTo<Get>()
    expect<[Tag.Tag, Tag.Tag]>().type.not.toBeAssignableTo<Get>()
    expect<[Name, Tag.Tag]>().type.not.toBeAssignableTo<Parameters<Registry.Service["deleteManifest"]>>()
    expect<[Name, Digest.Digest]>().type.not.toBeAssignableTo<Parameters<Registry.Service["deleteTag"]>>()
  })

  test("return the results of their operations", () => {
    expect(registry.resolveBlob(repository, digest)).type.toBe<Effect.Effect<Descriptor.Descriptor, Failure>>()
    expect(registry.getBlob(repository, digest)).type.toBe<
      Effect.Effect<BlobContent.BlobContent, Failure, Scope.Scope>
    >()
    expect(registry.listTags(repository)).type.toBe<Stream.Stream<Tag.Tag, Failure>>()
  })
})

describe("Registry.layerMiddleware", () => {
  test("requires the registry that it wraps, and the dependencies of the wrapper", () => {
    expect(Registry.layerMiddleware(middleware)).type.toBe<Layer.Layer<Registry, never, Registry>>()
    expect(Registry.layerMiddleware(Effect.succeed(middleware))).type.toBe<Layer.Layer<Registry, never, Registry>>()
    expect(Registry.layerMiddleware(Effect.as(Clock, middleware))).type.toBe<
      Layer.Layer<Registry, never, Clock | Registry>
    >()
    expect(Registry.layerMiddleware(Effect.zipRight(Effect.fail("no" as const), Effect.succeed(middleware)))).type.toBe<
      Layer.Layer<Registry, "no", Registry>
    >()
  })

  test("provides a scope to the wrapper", () => {
    expect(Registry.layerMiddleware(Effect.as(Effect.scope, middleware))).type.toBe<
      Layer.Layer<Registry, never, Registry>
    >()
  })

  test("accepts only a wrapper", () => {
    expect(Registry.layerMiddleware).type.toBeCallableWith(middleware)
    expect(Registry.layerMiddleware).type.not.toBeCallableWith(Effect.void)
    expect(Registry.layerMiddleware).type.not.toBeCallableWith(() => undefined)
  })
})

describe("Registry.wrap", () => {
  const base = {} as Layer.Layer<Registry, "offline", Clock>

  test("keeps the requirements and errors of the layer", () => {
    expect(base.pipe(Registry.wrap(middleware))).type.toBe<Layer.Layer<Registry, "offline", Clock>>()
  })

  test("adds the requirements and errors of the wrapper", () => {
    const made = Effect.zipRight(Effect.fail("no" as const), Effect.as(Clock, middleware))
    expect(Registry.wrap(made)({} as Layer.Layer<Registry>)).type.toBe<Layer.Layer<Registry, "no", Clock>>()
    expect(base.pipe(Registry.wrap(made), Registry.wrap(middleware))).type.toBe<
      Layer.Layer<Registry, "offline" | "no", Clock>
    >()
  })

  test("does not require a registry", () => {
    const made = Effect.as(Registry, middleware)
    expect(Registry.wrap(made)({} as Layer.Layer<Registry>)).type.toBe<Layer.Layer<Registry>>()
  })

  test("wraps only registries", () => {
    const clocks = {} as Layer.Layer<Clock>
    expect(Registry.wrap(middleware)).type.toBeCallableWith(base)
    expect(Registry.wrap(middleware)).type.not.toBeCallableWith(clocks)
  })
})

describe("a facet", () => {
  const reading = Effect.flatMap(Registry.Reader, (reader) => reader.getManifest(repository, tag))

  test("can be named as a requirement", () => {
    expect<Effect.Effect.Context<typeof reading>>().type.toBe<Registry.Reader>()
    expect(Registry.facets).type.toBe<
      Layer.Layer<Registry.Reader | Registry.Writer | Registry.Deleter | Registry.Lister, never, Registry>
    >()
  })

  test("is neither another facet nor a registry", () => {
    expect<Registry.Reader>().type.not.toBeAssignableTo<Registry.Writer>()
    expect<Registry.Writer>().type.not.toBeAssignableTo<Registry.Deleter>()
    expect<Registry.Reader>().type.not.toBeAssignableTo<Registry>()
    expect<Registry>().type.not.toBeAssignableTo<Registry.Reader>()
  })

  test("has only its own methods", () => {
    type Methods = keyof Registry.Service
    const reader = {} as Registry.ReaderService
    expect(reader).type.not.toHaveProperty("pushBlob")
    expect(reader).type.not.toHaveProperty("pushManifest")
    expect(reader).type.not.toHaveProperty("deleteTag")
    expect(reader).type.not.toHaveProperty("listTags")
    expect(reader).type.not.toHaveProperty("handle")
    expect<keyof Registry.ReaderService & keyof Registry.WriterService>().type.toBe<never>()
    expect<
      | "handle"
      | keyof Registry.ReaderService
      | keyof Registry.WriterService
      | keyof Registry.DeleterService
      | keyof Registry.ListerService
    >().type.toBe<Methods>()
  })
})

describe("an error of a registry", () => {
  const program = registry.resolveManifest(repository, tag)

  test("is removed from the error type when its tag is handled", () => {
    const handled = Effect.catchTag(program, "OciManifestUnknown", () => Effect.succeed("absent" as const))
    expect<Effect.Effect.Error<typeof handled>>().type.toBe<Exclude<Failure, RegistryError.ManifestUnknown>>()
    expect<Effect.Effect.Success<typeof handled>>().type.toBe<Descriptor.Descriptor | "absent">()
  })

  test("is one of several handled tags", () => {
    const handled = program.pipe(
      Effect.catchTags({
        OciManifestUnknown: (error) => Effect.succeed(error),
        OciNameUnknown: (error) => Effect.succeed(error)
      })
    )
    expect<Effect.Effect.Success<typeof handled>>().type.toBe<
      Descriptor.Descriptor | RegistryError.ManifestUnknown | RegistryError.NameUnknown
    >()
  })

  test("cannot be handled by an unknown tag", () => {
    const handle = Effect.catchTag<Failure, ["OciBlobUnknown"], string, never, never>
    expect<"NoSuchError">().type.not.toBeAssignableTo<Failure["_tag"]>()
    expect(handle).type.toBeCallableWith("OciBlobUnknown", () => Effect.succeed(""))
    expect(handle).type.not.toBeCallableWith("NoSuchError", () => Effect.succeed(""))
  })

  test("has its own fields", () => {
    expect<RegistryError.Refused["by"]>().type.toBe<string>()
    expect<RegistryError.RangeInvalid["size"]>().type.toBe<number | undefined>()
    expect(RegistryError.Refused).type.toBeConstructableWith({ by: "policy" })
    expect(RegistryError.Refused).type.not.toBeConstructableWith({})
    expect(RegistryError.BlobUnknown).type.toBeConstructableWith({})
    expect(RegistryError.BlobUnknown).type.not.toBeConstructableWith({ repository: "team/app" })
  })

  test("keeps its type when fields are added", () => {
    const error = new RegistryError.Refused({ by: "policy" })
    expect(RegistryError.withFields(error, { status: 403 })).type.toBe<RegistryError.Refused>()
  })

  test("is narrowed by isNotFound", () => {
    const absent = (error: Failure) => RegistryError.isNotFound(error) ? error : undefined
    expect<ReturnType<typeof absent>>().type.toBe<
      | RegistryError.BlobUnknown
      | RegistryError.BlobUploadUnknown
      | RegistryError.ManifestUnknown
      | RegistryError.NameUnknown
      | undefined
    >()
  })
})
