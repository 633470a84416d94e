package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// covered are the folders that Kubernetes' parts write into by default. The tests find them empty.
func covered() []string {
	folders := []string{"/run", "/var/lib", "/var/log"}
	// Where it is no link to /run.
	if info, err := os.Lstat("/var/run"); err == nil && info.IsDir() {
		folders = append(folders, "/var/run")
	}
	return folders
}

// mounts gives the namespaces folders of their own in place of those covered, and files in place of the kernel's settings that
// the kubelet changes: no setting of the machine is touched.
func mounts(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, folder := range covered() {
		own := filepath.Join(dir, folder)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(own, folder, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", folder, err)
		}
	}
	for _, setting := range settings() {
		if err := shield(dir, setting); err != nil {
			return fmt.Errorf("shield %s: %w", setting, err)
		}
	}
	return nil
}

// settings are the kernel's settings that a kubelet writes: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables.
func settings() []string {
	return []string{
		"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops",
		"/proc/sys/kernel/keys/root_maxkeys", "/proc/sys/kernel/keys/root_maxbytes",
	}
}

// shield mounts a copy over a kernel setting.
func shield(dir, setting string) error {
	value, err := os.ReadFile(setting)
	if err != nil {
		return err
	}
	own := filepath.Join(dir, "settings", setting)
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(own, value, 0o644); err != nil {
		return err
	}
	return unix.Mount(own, setting, "", unix.MS_BIND, "")
}
