/** Cuts the power of the disk of a server at random moments under load. */
import { Ledger } from "@effect-oci/testing/Ledger"
import { startLoad, verify } from "@effect-oci/testing/Load"
import { Effect, Random } from "effect"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { folderIn } from "../programs.js"
import { cutPower, mountCopy, mountDisk } from "./disk.js"
import type { FileSystemName } from "./disk.js"
import { buildInspector } from "./inspect.js"
import { buildServer, startServer } from "./server.js"
import type { ServerOptions } from "./server.js"

const grace = 60_000

/** Returns for each cut what is lost or corrupt on the copy of the disk. */
export const cutUnderLoad = (name: FileSystemName, cuts: number, unsynced?: ServerOptions["unsynced"]) =>
  Effect.gen(function*() {
    const program = yield* buildServer()
    const inspector = yield* buildInspector
    const mutant = yield* buildServer(unsynced)
    const folder = yield* folderIn(tmpdir())
    const disk = yield* mountDisk(folder, name)
    const options = { grace, uploadTimeToLive: 60_000, collectEvery: 1000 }
    const ledger = new Ledger()
    const server =
      yield* (yield* startServer(mutant, { ...options, unsynced, directory: join(disk.directory, "data") }))
        .serving
    const load = startLoad(server.url, ledger, { clients: 8, grace })

    const cut = (number: number) =>
      Effect.gen(function*() {
        yield* Effect.sleep(yield* Random.nextRange(500, 2000))
        const copy = join(folder, "outer", `cut-${number}.img`)
        const atCut = yield* Effect.promise(() => ledger.during(() => Promise.resolve(cutPower(disk.image, copy))))
        const mounted = join(folder, `cut-${number}`)
        yield* mountCopy(copy, mounted, name)
        const directory = join(mounted, "data")
        const after = yield* startServer(program, { ...options, directory })
        const problems = yield* Effect.gen(function*() {
          const { kill, url } = yield* after.serving
          const lost = yield* Effect.promise(() => verify(url, atCut))
          yield* kill
          return [...lost, ...yield* inspector.scrub(directory)]
        }).pipe(Effect.catchAllCause((cause) => Effect.succeed([String(cause)])))
        yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(copy)))
        return problems
      }).pipe(Effect.scoped)

    const problems = yield* Effect.forEach(Array.from({ length: cuts }, (_, number) => number), cut)
    const { disconnects, problems: unexpected } = yield* Effect.promise(load.stop)
    return { problems, unexpected: [...disconnects, ...unexpected], acknowledged: ledger.acknowledged }
  }).pipe(Effect.scoped)
