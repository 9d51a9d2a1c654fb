/**
 * The keys of a registry, in the files of a directory: `token.pem` signs tokens, and `upload.key` signs the ids of upload
 * sessions.
 *
 * @since 0.1.0
 */
import * as TokenKeys from "@effect-oci/guard/TokenKeys"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { generateKeyPairSync, randomBytes } from "node:crypto"
import { join } from "node:path"

/**
 * The keys of a registry. Nodes of one registry have the same keys.
 *
 * @since 0.1.0
 * @category models
 */
export interface Secrets {
  /** Signs and verifies tokens. */
  readonly tokenKeys: TokenKeys.Ring
  /** Signs the ids of upload sessions. */
  readonly uploadKey: Redacted.Redacted<string>
}

const createTokenKey = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString()

const createUploadKey = () => randomBytes(32).toString("base64")

/** Creates a file that only the user of the program can read, unless the file exists. */
const createFile = (path: string, create: () => string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    if (yield* files.exists(path)) return
    yield* files.writeFileString(path, create(), { mode: 0o600, flag: "wx" })
  })

/**
 * Creates the directory and the keys that it does not have.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = (directory: string): Effect.Effect<void, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.makeDirectory(directory, { recursive: true, mode: 0o700 })
    yield* createFile(join(directory, "token.pem"), createTokenKey)
    yield* createFile(join(directory, "upload.key"), createUploadKey)
  })

/**
 * Reads the keys in a directory. Tokens and upload sessions stay valid when the program is started again with the same
 * keys.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  directory: string
): Effect.Effect<Secrets, PlatformError | TokenKeys.KeyInvalid, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const secret = (name: string) => Effect.map(files.readFileString(join(directory, name)), Redacted.make)
    return {
      tokenKeys: yield* TokenKeys.ring(yield* TokenKeys.fromPem(yield* secret("token.pem"))),
      uploadKey: yield* secret("upload.key")
    }
  })
