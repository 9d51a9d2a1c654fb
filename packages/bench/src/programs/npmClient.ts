/**
 * Runs a client from npm, which is named by the variable `CLIENT`. The clients are no dependencies of this workspace:
 * `npm install --no-save --ignore-scripts` installs them.
 */
import { createReadStream, createWriteStream, readFileSync, statSync } from "node:fs"
import type { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { NpmClient } from "../internal/npmClients.js"
import { serve } from "../internal/program.js"
import type { Transfer } from "./client.js"

type Transfers = { readonly [name in "push" | "pull" | "attach"]?: (transfer: Transfer) => Promise<unknown> }

interface OciRegistryClient {
  readonly RegistryClientV2: new(options: { readonly name: string; readonly scheme: string }) => {
    readonly blobUpload: (blob: {
      readonly digest: string
      readonly contentLength: number
      readonly stream: Readable
    }) => Promise<unknown>
    readonly createBlobReadStream: (blob: { readonly digest: string }) => Promise<{ readonly stream: Readable }>
  }
}

interface DockerRegistryV2Client {
  readonly downloadLayer: (
    file: string,
    authority: string,
    repository: string,
    digest: string,
    username: undefined,
    password: undefined,
    options: { readonly protocol: string }
  ) => Promise<unknown>
}

interface Sigstore {
  readonly attachArtifactToImage: (options: {
    readonly artifact: Uint8Array
    readonly mediaType: string
    readonly imageName: string
    readonly imageDigest: string
  }) => Promise<unknown>
}

const load = async <A>(name: NpmClient): Promise<A> => {
  const loaded = await import(name) as { readonly default?: A }
  return loaded.default ?? loaded as A
}

const clients: { readonly [name in NpmClient]: () => Promise<Transfers> } = {
  "oci-registry-client": async () => {
    const { RegistryClientV2 } = await load<OciRegistryClient>("oci-registry-client")
    const at = ({ authority, repository }: Transfer) =>
      new RegistryClientV2({ name: `${authority}/${repository}`, scheme: "http" })
    return {
      push: (transfer) => {
        const { digest, file } = transfer
        const stream = createReadStream(file, { highWaterMark: 256 * 1024 })
        return at(transfer).blobUpload({ digest, contentLength: statSync(file).size, stream })
      },
      pull: async (transfer) => {
        const { stream } = await at(transfer).createBlobReadStream({ digest: transfer.digest })
        await pipeline(stream, createWriteStream(transfer.file))
      }
    }
  },
  "@snyk/docker-registry-v2-client": async () => {
    const { downloadLayer } = await load<DockerRegistryV2Client>("@snyk/docker-registry-v2-client")
    return {
      pull: ({ authority, digest, file, repository }) =>
        downloadLayer(file, authority, repository, digest, undefined, undefined, { protocol: "http:" })
    }
  },
  "@sigstore/oci": async () => {
    const { attachArtifactToImage } = await load<Sigstore>("@sigstore/oci")
    return {
      attach: ({ authority, file, image = "", repository }) =>
        attachArtifactToImage({
          artifact: readFileSync(file),
          mediaType: "application/vnd.example.artifact",
          imageName: `${authority}/${repository}`,
          imageDigest: image
        })
    }
  }
}

const transfers = await clients[process.env["CLIENT"] as NpmClient]()

/** Measures the duration of a transfer, in seconds. */
const timed = (name: keyof Transfers) => async (transfer: Transfer): Promise<number> => {
  const run = transfers[name]
  if (run === undefined) throw new Error(`${process.env["CLIENT"]} cannot ${name}`)
  const start = performance.now()
  await run(transfer)
  return (performance.now() - start) / 1000
}

serve({ push: timed("push"), pull: timed("pull"), attach: timed("attach") })
