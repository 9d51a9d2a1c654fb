/**
 * The keys of a registry, in the files of a directory. `token.pem` contains keys that sign tokens, in PEM one after
 * another. `upload.key` contains keys that sign the ids of upload sessions, one a line. The first key of a file signs,
 * and all verify, so that a key can be replaced without refusing a token or an id.
 *
 * @since 0.1.0
 */
import type * as UploadIds from "@effect-oci/core/UploadIds"
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
  readonly tokenKeys: TokenKeys.Signing
  /** Sign and verify the ids of upload sessions. */
  readonly uploadKey: UploadIds.Key
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
    const text = (name: string) => files.readFileString(join(directory, name))
    const [first = "", ...others] = (yield* text("upload.key")).split(/\s+/).filter((line) => line !== "")
    return {
      tokenKeys: yield* TokenKeys.ringFromPem(Redacted.make(yield* text("token.pem"))),
      uploadKey: [Redacted.make(first), ...others.map((key) => Redacted.make(key))]
    }
  })
