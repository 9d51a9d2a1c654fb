/** Builds the page once, unless it is built. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const script = fileURLToPath(new URL("../scripts/build.mjs", import.meta.url))

export const build = async (): Promise<void> => {
  await promisify(execFile)(process.execPath, [script])
}
