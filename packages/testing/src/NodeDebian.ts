/**
 * Programs of Debian's packages, unpacked into a directory and run there by chroot: nothing is installed on the machine.
 * Needs root on Debian or a system like it.
 *
 * @since 0.1.0
 */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

const exec = promisify(execFile)

/** The release of Debian whose packages are used, on each release that runs them. */
const release = "trixie"
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

/**
 * Packages, and the directory that they are unpacked into.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly cache: string
  readonly packages: ReadonlyArray<string>
}

/**
 * Returns the root directory of the unpacked packages.
 *
 * @since 0.1.0
 * @category getters
 */
export const rootOf = ({ cache }: Options): string => join(cache, "root")

const markOf = (options: Options) => join(rootOf(options), ".unpacked")

/**
 * Returns whether the packages are unpacked.
 *
 * @since 0.1.0
 * @category getters
 */
export const isUnpacked = (options: Options): boolean => existsSync(markOf(options))

/**
 * Returns why the programs cannot run here, or `undefined`.
 *
 * @since 0.1.0
 * @category getters
 */
export const obstacle = (options: Options): string | undefined => {
  if (process.getuid?.() !== 0) return "it needs root"
  if (!isUnpacked(options) && (!existsSync(keyring) || mirror() === undefined)) return "it comes from Debian's packages"
  return undefined
}

/** Returns the mirror of Debian's packages that this machine uses. */
const mirror = (): string | undefined => {
  const files = ["/etc/apt/sources.list"]
  const folder = "/etc/apt/sources.list.d"
  if (existsSync(folder)) files.push(...readdirSync(folder).map((name) => join(folder, name)))
  const lines = files.filter((file) => existsSync(file)).flatMap((file) => readFileSync(file, "utf8").split("\n"))
  const urls = lines.filter((line) => /^(deb|URIs)/.test(line)).map((line) =>
    /https?:\S+\/debian\/?(?=\s|$)/.exec(line)
  )
  return urls.find((url) => url !== null)?.[0]
}

/** The configuration of apt, with all its directories in the cache. */
const aptConfiguration = (apt: string) => `
Dir::Etc "${apt}/etc/apt";
Dir::State "${apt}/state";
Dir::State::status "${apt}/status";
Dir::Cache "${apt}/cache";
APT::Sandbox::User "root";
`

/**
 * Downloads the packages and those that they need, and unpacks them.
 *
 * @since 0.1.0
 * @category running
 */
export const unpack = async (options: Options): Promise<void> => {
  const apt = join(options.cache, "apt")
  const root = rootOf(options)
  rmSync(root, { recursive: true, force: true })
  const folders = ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "state/lists/partial"]
  for (const folder of [...folders, "cache/archives/partial"]) mkdirSync(join(apt, folder), { recursive: true })
  for (const folder of ["dev", "proc", "tmp", "run", "etc"]) mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(apt, "status"), "")
  writeFileSync(join(apt, "etc/apt/sources.list"), `deb [signed-by=${keyring}] ${mirror()} ${release} main\n`)
  writeFileSync(join(apt, "apt.conf"), aptConfiguration(apt))
  const env = { ...process.env, APT_CONFIG: join(apt, "apt.conf"), DEBIAN_FRONTEND: "noninteractive" }
  await exec("apt-get", ["-qq", "update"], { env })
  await exec("apt-get", ["-qq", "install", "-y", "--no-install-recommends", "--download-only", ...options.packages], {
    env,
    maxBuffer: 16 * 1024 ** 2
  })
  const archives = join(apt, "cache/archives")
  for (const name of readdirSync(archives).filter((file) => file.endsWith(".deb"))) {
    const script = `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink`
    await exec("sh", ["-c", script, "sh", join(archives, name), root])
    rmSync(join(archives, name))
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    if (!existsSync(join(root, name))) symlinkSync(`usr/${name}`, join(root, name))
  }
  for (const name of ["passwd", "group"]) writeFileSync(join(root, "etc", name), readFileSync(`/etc/${name}`))
  for (const [name, minor] of [["null", "3"], ["random", "8"], ["urandom", "9"]] as const) {
    await exec("mknod", ["-m", "666", join(root, "dev", name), "c", "1", minor])
  }
  writeFileSync(markOf(options), "")
}

/**
 * Returns the arguments with which `unshare` runs a program in the chroot. `/proc` is mounted for this program only, so
 * that nothing has to be unmounted. With `temporary`, `/tmp` is an empty directory in memory.
 *
 * @since 0.1.0
 * @category running
 */
export const inRoot = (options: Options, flags: { readonly temporary?: boolean } = {}): ReadonlyArray<string> => {
  const mounts = ["mount -t proc proc \"$0/proc\"", ...flags.temporary ? ["mount -t tmpfs tmpfs \"$0/tmp\""] : []]
  return ["-m", "sh", "-c", `${mounts.join(" && ")} && exec chroot "$0" "$@"`, rootOf(options)]
}
