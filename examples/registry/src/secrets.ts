/** Keys that the registry creates at its first start, in files that only its user can read. */
import { TokenKeys } from "@effect-oci/guard"
import { FileSystem } from "@effect/platform"
import { Effect, Redacted } from "effect"
import { generateKeyPairSync, randomBytes } from "node:crypto"
import { join } from "node:path"

/** Reads a secret from a file, or creates the file with a new secret. */
const secret = (path: string, create: () => string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    if (!(yield* files.exists(path))) {
      yield* files.writeFileString(path, create(), { mode: 0o600, flag: "wx" })
    }
    return Redacted.make(yield* files.readFileString(path))
  })

/** Reads or creates the secrets in a directory: tokens and upload sessions stay valid after a restart. */
export const read = (directory: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.makeDirectory(directory, { recursive: true, mode: 0o700 })
    const token = yield* secret(join(directory, "token.pem"), () =>
      generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString())
    return {
      tokenKey: yield* TokenKeys.fromPem(token),
      uploadKey: yield* secret(join(directory, "upload.key"), () =>
        randomBytes(32).toString("base64"))
    }
  })
