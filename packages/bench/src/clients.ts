/**
 * Measures clients from npm beside ours, with `docker-registry`: the push of a blob of 256 MiB from a file, its pull into a
 * file, and the attachment of an artifact of 256 MiB from memory to an image. Each client runs in its own process. Ours
 * computes the digest of all content. Of the others, only `@sigstore/oci` does.
 */
import { RepositoryName, Tag } from "@effect-oci/core"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as curl from "./internal/curl.js"
import { pushImage } from "./internal/image.js"
import { divided, interleave, row } from "./internal/measure.js"
import type { Row } from "./internal/measure.js"
import * as npmClients from "./internal/npmClients.js"
import { leftOut } from "./internal/peers.js"
import { at } from "./internal/registries.js"
import { makeContent, ours, transferred } from "./internal/transfers.js"
import type { Blob, Contender, Content } from "./internal/transfers.js"

const repository = RepositoryName.make("bench/clients")

const titles: { readonly [job in npmClients.Job]: string } = {
  push: "push of 256 MiB",
  pull: "pull of 256 MiB",
  attach: "artifact of 256 MiB"
}

/** Measures all clients that can do a job. */
const measure = (
  job: npmClients.Job,
  clients: ReadonlyArray<npmClients.NpmClient>,
  authority: string,
  { large, out, small }: Content
) =>
  Effect.gen(function*() {
    const peers = clients.filter((name) => npmClients.can(name, job))
    if (peers.length === 0) return []
    const files = yield* FileSystem.FileSystem
    const image = { repository, tag: Tag.make("v1"), layers: 1, size: 1024 }
    const digest = yield* Effect.provide(pushImage(image), at(authority))
    const transfer = (blob: Blob) => ({
      authority,
      repository,
      digest: blob.digest,
      file: job === "pull" ? out : blob.file,
      image: digest
    })
    const remove = Effect.ignore(curl.remove(transfer(large)))
    const clear = job === "pull" ? files.remove(out, { force: true }) : remove
    const sample = (contender: Contender) =>
      Effect.zipRight(clear, transferred(contender, job, transfer(small), transfer(large), clear))
    const contenders = new Map<string, Contender>([["effect-oci", ours]])
    for (const name of peers) contenders.set(name, { program: "npmClient", env: { CLIENT: name } })
    const rounds = yield* interleave(
      new Map([...contenders].map(([name, contender]) => [name, sample(contender)])),
      { warmUp: 0, rounds: 5 }
    )
    const of = (name: string, what: "seconds" | "cpu" | "memory") =>
      rounds.map((round) => round.get(name)?.[what] ?? Number.NaN)
    const figure = (name: string, unit: string, samples: ReadonlyArray<number>, target?: number): Row =>
      row({ name: `${titles[job]}: ${name}`, unit, better: "lower", target }, samples)
    return [
      ...[...contenders.keys()].flatMap((name) => [
        figure(name, "s", of(name, "seconds")),
        figure(`${name}, processor time`, "s", of(name, "cpu")),
        figure(`${name}, memory`, "MiB", of(name, "memory"))
      ]),
      ...peers.flatMap((name) => [
        figure(`effect-oci, times ${name}`, "", divided(of("effect-oci", "seconds"), of(name, "seconds")), 1),
        figure(
          `effect-oci, processor time, times ${name}'s`,
          "",
          divided(of("effect-oci", "cpu"), of(name, "cpu")),
          1
        )
      ])
    ]
  })

export const run: Effect.Effect<ReadonlyArray<Row>, unknown> = Effect.scoped(Effect.gen(function*() {
  const clients = npmClients.installed()
  if (clients.length === 0 || (yield* leftOut("docker-registry", "curl"))) return []
  const content = yield* makeContent
  const { authority } = yield* NodePeers.dockerRegistry
  const blob = { authority, repository, file: content.large.file, digest: content.large.digest }
  const pushes = yield* measure("push", clients, authority, content)
  const attachments = yield* measure("attach", clients, authority, content)
  yield* Effect.ignore(curl.remove(blob))
  yield* curl.push(blob)
  yield* curl.push({ authority, repository, file: content.small.file, digest: content.small.digest })
  return [...pushes, ...(yield* measure("pull", clients, authority, content)), ...attachments]
})).pipe(Effect.provide(NodeContext.layer))
