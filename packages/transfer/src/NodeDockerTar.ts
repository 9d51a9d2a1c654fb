/**
 * Reads archives of images that `docker save` writes, and writes archives that `docker load` reads. `skopeo` and `podman`
 * call these archives `docker-archive:`.
 *
 * @since 0.1.0
 */
import type { Registry } from "@effect-oci/core"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as archives from "./internal/node/archiveFile.js"
import type { Limits } from "./internal/node/decompress.js"
import { pack } from "./internal/node/dockerPack.js"
import { unpack } from "./internal/node/dockerUnpack.js"
import type { LayoutInvalid } from "./internal/node/layoutInvalid.js"
import type { Options } from "./NodeLayoutTar.js"
import type * as NodeOciLayout from "./NodeOciLayout.js"

export type { LayoutInvalid, Limits, Options }

/**
 * Unpacks an archive into a temporary folder, and returns the folder's path: a layout for `NodeOciLayout.layer` and
 * `NodeLayoutImages.find`, in which the images have the names that the archive gives them. The folder is removed with the
 * scope.
 *
 * Each image becomes a Docker manifest; its config and its layers stay byte for byte. The archive may be compressed with
 * gzip or zstd, and so may its layers.
 *
 * Fails with `LayoutInvalid` if the archive is damaged, has no `manifest.json`, or expands to more than the limits.
 *
 * @since 0.1.0
 * @category archives
 */
export const unpacked = (archive: string, limits?: Limits): Effect.Effect<string, LayoutInvalid, Scope.Scope> =>
  archives.unpacked(archive, (pieces, layout) => unpack(pieces, layout, limits))

/**
 * Creates a layer of a registry that reads the images in an archive, by the tags of their names. The archive is unpacked
 * into a temporary folder, which is removed with the layer.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 * import * as NodeDockerTar from "@effect-oci/transfer/NodeDockerTar"
 * import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
 * import { Effect } from "effect"
 *
 * const pushed = (to: Registry["Type"]) =>
 *   Effect.flatMap(Registry, (registry) =>
 *     Copy.copy(
 *       { registry, repository: NodeOciLayout.repository, reference: Tag.make("latest") },
 *       { registry: to, repository: RepositoryName.make("team/app") }
 *     )).pipe(Effect.provide(NodeDockerTar.layer("saved.tar")))
 * ```
 */
export const layer = (archive: string, options?: Options): Layer.Layer<Registry, LayoutInvalid> =>
  archives.layer(unpacked(archive, options), options)

/**
 * Runs an effect that puts images into a registry, and writes these images as an archive for `docker load`. The archive is
 * written after the effect has succeeded, and then replaces a file of that name as a whole.
 *
 * `name` is the repository of the images in the archive (`docker.io/library/app`). Without a name, Docker loads the images
 * without a tag. Layers keep their compression. Signatures and other referrers are left out.
 *
 * Fails with `LayoutInvalid` if the archive cannot be written, or if the registry contains an index for several platforms
 * or an artifact that is not an image.
 *
 * @since 0.1.0
 * @category archives
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Copy } from "@effect-oci/transfer"
 * import * as NodeDockerTar from "@effect-oci/transfer/NodeDockerTar"
 * import * as NodeOciLayout from "@effect-oci/transfer/NodeOciLayout"
 * import { Effect } from "effect"
 *
 * const saved = (from: Registry["Type"]) =>
 *   NodeDockerTar.write(
 *     "app.tar",
 *     Effect.flatMap(Registry, (registry) =>
 *       Copy.copy(
 *         { registry: from, repository: RepositoryName.make("team/app"), reference: Tag.make("v1") },
 *         { registry, repository: NodeOciLayout.repository },
 *         { platform: { os: "linux", architecture: "amd64" }, withoutReferrers: true }
 *       )),
 *     { name: "registry.example.com/team/app" }
 *   )
 * ```
 */
export const write = <A, E, R>(
  archive: string,
  effect: Effect.Effect<A, E, R>,
  options?: { readonly name?: string | undefined; readonly repository?: NodeOciLayout.Options["repository"] }
): Effect.Effect<A, E | LayoutInvalid, Exclude<R, Registry>> =>
  archives.written(archive, effect, (layout) => pack(layout, options?.name), options)
