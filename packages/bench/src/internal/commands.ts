import * as NodePeers from "@effect-oci/testing/NodePeers"
import { fileURLToPath } from "node:url"

/** The command line of a program. */
export type Line = readonly [program: string, ...args: ReadonlyArray<string>]

/** A program that copies an image with a command. */
export interface Copier {
  readonly name: string
  /** Copies an image from a layout. `layout` is the path of its folder. `image` is `host:port/repository:tag`. */
  readonly push: (layout: string, image: string) => Line
  /** Copies an image into a layout that does not exist yet. */
  readonly pull: (image: string, layout: string) => Line
  /** Copies an image from one registry to another. */
  readonly copy: (from: string, to: string) => Line
}

/** The tag of the image in the layouts. */
export const tag = "v1"

/** The command of `examples/copy`, as `npm run copy` starts it: the first run makes its bundle. */
const start = fileURLToPath(new URL("../../../../.ci/start.mjs", import.meta.url))
const program: Line = ["node", start, "examples/copy/src/main.ts", "--plain-http"]

const hosts = (...images: ReadonlyArray<string>) =>
  images.flatMap((image) => ["--host", `reg=${image.slice(0, image.indexOf("/"))},tls=disabled`])

const skopeo = ["--insecure-policy", "copy", "--preserve-digests"]

/** Our command. */
export const ours: Copier = {
  name: "effect-oci",
  push: (layout, image) => [...program, `oci:${layout}:${tag}`, image],
  pull: (image, layout) => [...program, image, `oci:${layout}:${tag}`],
  copy: (from, to) => [...program, from, to]
}

const peers: ReadonlyArray<Copier> = [
  {
    name: "crane",
    push: (layout, image) => ["crane", "push", "--insecure", layout, image],
    pull: (image, layout) => ["crane", "pull", "--insecure", "--format=oci", image, layout],
    copy: (from, to) => ["crane", "copy", "--insecure", from, to]
  },
  {
    name: "oras",
    push: (layout, image) => ["oras", "copy", "--from-oci-layout", `${layout}:${tag}`, "--to-plain-http", image],
    pull: (image, layout) => ["oras", "copy", "--from-plain-http", image, "--to-oci-layout", `${layout}:${tag}`],
    copy: (from, to) => ["oras", "copy", "--from-plain-http", from, "--to-plain-http", to]
  },
  {
    name: "regctl",
    push: (layout, image) => ["regctl", ...hosts(image), "image", "copy", `ocidir://${layout}:${tag}`, image],
    pull: (image, layout) => ["regctl", ...hosts(image), "image", "copy", image, `ocidir://${layout}:${tag}`],
    copy: (from, to) => ["regctl", ...hosts(from, to), "image", "copy", from, to]
  },
  {
    name: "skopeo",
    push: (layout, image) => [
      "skopeo",
      ...skopeo,
      "--dest-tls-verify=false",
      `oci:${layout}:${tag}`,
      `docker://${image}`
    ],
    pull: (image, layout) => [
      "skopeo",
      ...skopeo,
      "--src-tls-verify=false",
      `docker://${image}`,
      `oci:${layout}:${tag}`
    ],
    copy: (from, to) => [
      "skopeo",
      ...skopeo,
      "--src-tls-verify=false",
      "--dest-tls-verify=false",
      `docker://${from}`,
      `docker://${to}`
    ]
  }
]

const names = ["crane", "oras", "regctl", "skopeo"] as const

/** Returns our command, and the others that are installed. Prints the names of those that are missing. */
export const installed = (): ReadonlyArray<Copier> => {
  NodePeers.have(...names)
  const missing = new Set<string>(NodePeers.missing(...names))
  return [ours, ...peers.filter(({ name }) => !missing.has(name))]
}
