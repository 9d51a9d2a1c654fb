/** Gets programs from npm into a cache directory, without changing the project. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

/** The directory of all programs that were installed. */
export const cache = process.env["RUNTIMES_CACHE"] ?? join(homedir(), ".cache", "effect-oci", "runtimes")

/** A program that this machine cannot get. */
export class Missing extends Data.TaggedError("Missing")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** A program in a package of npm. Such packages exist for each platform, and need no install script. */
export interface Npm {
  readonly name: string
  readonly version: string
  /** The path of the program in the package. */
  readonly file: string
}

const folderOf = ({ name, version }: Npm) => join(cache, `${name.replaceAll(/[@/]+/g, "-")}-${version}`)

const pathOf = (npm: Npm) => join(folderOf(npm), "node_modules", npm.name, npm.file)

/** Returns the path of a program if it is installed. */
export const find = (npm: Npm): string | undefined => existsSync(pathOf(npm)) ? pathOf(npm) : undefined

/** Installs a program, unless it is installed, and returns its path. */
export const install = (npm: Npm): Effect.Effect<string, Missing> =>
  Effect.suspend(() => {
    const found = find(npm)
    if (found !== undefined) return Effect.succeed(found)
    const folder = folderOf(npm)
    const flags = ["--ignore-scripts", "--no-package-lock", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    return Effect.tryPromise({
      try: async () => {
        mkdirSync(folder, { recursive: true })
        await promisify(execFile)("npm", ["install", "--prefix", folder, ...flags, `${npm.name}@${npm.version}`], {
          cwd: folder
        })
        return pathOf(npm)
      },
      catch: (error) => new Missing({ reason: `npm cannot install ${npm.name}@${npm.version}: ${String(error)}` })
    })
  })
