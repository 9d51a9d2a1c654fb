/** File systems in images, and copies of them that are as after a power failure. Needs root. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const run = (command: string, ...args: ReadonlyArray<string>) => execFileSync(command, args, { stdio: "pipe" })

/** Whether this machine can make and mount images. */
export const canMount = process.getuid?.() === 0 && existsSync("/dev/loop-control") &&
  ["/usr/sbin/mkfs.xfs", "/usr/sbin/mkfs.ext4", "/usr/sbin/mkfs.btrfs"].every((path) => existsSync(path))

export const fileSystems = {
  "ext4": ["mkfs.ext4", "-q", "-F"],
  "XFS": ["mkfs.xfs", "-q", "-f"],
  "btrfs": ["mkfs.btrfs", "-q", "-f"],
  "ext4 without journal": ["mkfs.ext4", "-q", "-F", "-O", "^has_journal"]
} as const

export type FileSystemName = keyof typeof fileSystems

const mount = (image: string, directory: string, ...options: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(directory, { recursive: true })
      run("mount", "-o", ["loop", ...options].join(","), image, directory)
    }),
    () => Effect.sync(() => run("umount", directory))
  )

const createImage = (path: string, bytes: number, [command, ...args]: ReadonlyArray<string>) =>
  Effect.sync(() => {
    writeFileSync(path, "")
    truncateSync(path, bytes)
    run(command!, ...args, path)
  })

/**
 * Mounts a new file system. Its image is on an XFS of its own, which copies a file at one moment: a copy of the image
 * that takes time has writes of different moments, which no disk has.
 */
export const mountDisk = (folder: string, name: FileSystemName) =>
  Effect.gen(function*() {
    const outer = join(folder, "outer.img")
    yield* createImage(outer, 8 * 1024 ** 3, ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"])
    yield* mount(outer, join(folder, "outer"))
    const image = join(folder, "outer", "disk.img")
    yield* createImage(image, 768 * 1024 ** 2, fileSystems[name])
    const directory = join(folder, "disk")
    yield* mount(image, directory)
    return { directory, image, name }
  })

/** Copies the image of a file system that is in use, at one moment. */
export const cutPower = (image: string, copy: string): void => {
  run("cp", "--reflink=always", image, copy)
}

/** Mounts a copy, as the operating system does after a power failure. */
export const mountCopy = (copy: string, directory: string, name: FileSystemName) =>
  Effect.gen(function*() {
    // A file system without a journal is checked before it is mounted. A status of 1 says that errors were corrected.
    if (name === "ext4 without journal") {
      yield* Effect.sync(() => run("sh", "-c", `e2fsck -fy "$1" || test $? = 1`, "sh", copy))
    }
    yield* mount(copy, directory, ...(name === "XFS" ? ["nouuid"] : []))
  })
